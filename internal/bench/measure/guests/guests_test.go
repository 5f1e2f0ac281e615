package guests_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

func TestBall(t *testing.T) {
	each(t, guests.NewPingPong, guests.PingPong, func(t *testing.T, p player, w *wire) {
		for _, size := range sizes() {
			ball := guests.NewMessage(guests.OpBall, 3, size)
			for hops := uint64(3); hops > 0; hops-- {
				if response := deliver(t, p, ball); len(response) != 0 {
					t.Errorf("%s: a ball was answered with %q", sizeName(size), response)
				}
				next := w.take(t)
				binary.LittleEndian.PutUint64(ball[8:], hops-1)
				binary.LittleEndian.PutUint64(ball[16:], 3-hops+1)
				if next.target != "test/peer" || !bytes.Equal(next.payload, ball) {
					t.Fatalf("%s: after %d hops %s got another ball", sizeName(size), hops, next.target)
				}
			}
			deliver(t, p, ball)
			wantDone(t, w, guests.Done{Sequence: 3})
		}
		n := uint64(len(sizes()))
		wantCounters(t, p, guests.Counters{Handled: 4 * n, Sent: 3 * n})
	})
}

func TestRefusedBallEndsTheRun(t *testing.T) {
	each(t, guests.NewPingPong, guests.PingPong, func(t *testing.T, p player, w *wire) {
		w.refusal = &guest.MessagingError{Case: guest.CaseQueueFull, Text: "test/peer"}
		for range 1000 {
			deliver(t, p, guests.NewMessage(guests.OpBall, 9, 64))
		}
		wantCounters(t, p, guests.Counters{Handled: 1000, Refused: 1000})
		if len(w.parcels) != 0 {
			t.Errorf("sent %v", w.parcels)
		}
	})
}

func TestRoundTrip(t *testing.T) {
	each(t, guests.NewRoundTrip, guests.RoundTrip, func(t *testing.T, p player, w *wire) {
		for i, size := range sizes() {
			begun := begin(t, p, 5, uint64(100*i), size)
			for range 5 {
				begun.answer(t, p, w.take(t))
			}
			wantDone(t, w, guests.Done{Sequence: uint64(100*i + 5)})
		}
		n := uint64(len(sizes()))
		wantCounters(t, p, guests.Counters{Handled: 6 * n, Sent: 5 * n, Callbacks: 5 * n})
	})
}

// Runs that are under way together do not disturb each other, in whichever order
// their responses come.
func TestManyRoundTrips(t *testing.T) {
	each(t, guests.NewRoundTrip, guests.RoundTrip, func(t *testing.T, p player, w *wire) {
		runs := make(map[uint64]*asking) // by the sum of number and sequence
		for i := range uint64(guests.MaxRuns) {
			runs[1000*i+4] = begin(t, p, 3, 1000*i, 64)
		}
		wantError(t, "one start too many", second(p.message(guests.NewMessage(guests.OpStart, 1, 64))),
			guest.Failed("too many runs are under way"))
		random := rand.New(rand.NewPCG(1, 1))
		ended := make(map[uint64]bool)
		for len(w.parcels) > 0 {
			random.Shuffle(len(w.parcels), func(i, j int) { w.parcels[i], w.parcels[j] = w.parcels[j], w.parcels[i] })
			next := w.take(t)
			if next.target == "test/done" {
				done, err := guests.ParseDone(next.payload)
				if err != nil || done != (guests.Done{Sequence: done.Sequence}) || runs[done.Sequence+1] == nil {
					t.Errorf("done was told %+v, %v", done, err)
				}
				ended[done.Sequence] = true
				continue
			}
			header := next.payload[8:]
			runs[binary.LittleEndian.Uint64(header)+binary.LittleEndian.Uint64(header[8:])].answer(t, p, next)
		}
		if len(ended) != guests.MaxRuns {
			t.Errorf("%d runs have ended, want %d", len(ended), guests.MaxRuns)
		}
		wantCounters(t, p, guests.Counters{Handled: 4 * guests.MaxRuns, Sent: 3 * guests.MaxRuns, Callbacks: 3 * guests.MaxRuns})
		begin(t, p, 1, 0, 64)
	})
}

// asking is the expected state of a run.
type asking struct {
	start            []byte
	rounds, sequence uint64
}

// begin starts a run.
func begin(t *testing.T, p player, rounds, sequence uint64, size int) *asking {
	t.Helper()
	start := guests.NewMessage(guests.OpStart, rounds, size)
	guests.SetSequence(start, sequence)
	deliver(t, p, start)
	return &asking{start, rounds, sequence}
}

// answer makes the same guest answer the run's next request, and takes the response
// back.
func (a *asking) answer(t *testing.T, p player, request parcel) {
	t.Helper()
	a.sequence++
	expected := bytes.Clone(a.start)
	expected[0] = guests.OpRequest
	copy(expected[2:4], request.payload[2:4]) // the place is the guest's choice
	binary.LittleEndian.PutUint64(expected[8:], a.rounds)
	guests.SetSequence(expected, a.sequence)
	if request.target != "test/peer" || !bytes.Equal(request.payload, expected) {
		t.Fatalf("%s: request %d to %s is not what was to be sent", sizeName(len(a.start)), a.sequence, request.target)
	}
	a.rounds--
	response := bytes.Clone(deliver(t, p, request.payload))
	if err := p.callback(request.id, response, nil); err != nil {
		t.Fatal(err)
	}
}

func TestRoundTripFindsWhatIsWrong(t *testing.T) {
	type breaks func(id guest.RequestID, response []byte) (guest.RequestID, []byte, error)
	for name, c := range map[string]struct {
		reply  breaks
		want   guests.Counters
		ends   bool
		status byte
	}{
		"last byte": {func(id guest.RequestID, r []byte) (guest.RequestID, []byte, error) {
			r[len(r)-1]++
			return id, r, nil
		}, guests.Counters{Mismatches: 1}, true, guests.Mismatch},
		"stale sequence": {func(id guest.RequestID, r []byte) (guest.RequestID, []byte, error) {
			r[16]--
			return id, r, nil
		}, guests.Counters{Mismatches: 1}, true, guests.Mismatch},
		"too short": {func(id guest.RequestID, r []byte) (guest.RequestID, []byte, error) { return id, r[:len(r)-1], nil },
			guests.Counters{Mismatches: 1}, true, guests.Mismatch},
		"place of another": {func(id guest.RequestID, r []byte) (guest.RequestID, []byte, error) {
			r[2]++
			return id, r, nil
		}, guests.Counters{Mismatches: 1}, true, guests.Mismatch},
		"place of none": {func(id guest.RequestID, r []byte) (guest.RequestID, []byte, error) {
			r[3] = 0xff
			return id, r, nil
		}, guests.Counters{Mismatches: 1}, true, guests.Mismatch},
		"failure": {func(id guest.RequestID, r []byte) (guest.RequestID, []byte, error) {
			return id, nil, guest.ErrTimeout
		}, guests.Counters{CallbacksFailed: 1}, true, guests.CallbackFailed},
		"foreign id": {func(id guest.RequestID, r []byte) (guest.RequestID, []byte, error) { return id + 1, r, nil },
			guests.Counters{Mismatches: 1}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, guests.NewRoundTrip, guests.RoundTrip, func(t *testing.T, p player, w *wire) {
				deliver(t, p, guests.NewMessage(guests.OpStart, 2, 61))
				request := w.take(t)
				if err := p.callback(c.reply(request.id, request.payload)); err != nil {
					t.Fatal(err)
				}
				if c.ends {
					wantDone(t, w, guests.Done{Status: c.status, Left: 2, Sequence: 1})
				}
				want := c.want
				want.Handled, want.Sent = 1, 1
				wantCounters(t, p, want)
			})
		})
	}
}

func TestRefusedRequestEndsTheRun(t *testing.T) {
	each(t, guests.NewRoundTrip, guests.RoundTrip, func(t *testing.T, p player, w *wire) {
		deliver(t, p, guests.NewMessage(guests.OpStart, 2, 64))
		request := w.take(t)
		w.refusal = guest.ErrQuotaExceeded
		if err := p.callback(request.id, request.payload, nil); err != nil {
			t.Fatal(err)
		}
		w.refusal = nil
		wantCounters(t, p, guests.Counters{Handled: 1, Sent: 1, Refused: 1, Callbacks: 1})
		begin(t, p, 0, 7, 64)
		wantDone(t, w, guests.Done{Sequence: 7})
	})
}

func TestCommonOperations(t *testing.T) {
	both := func(t *testing.T, p player, w *wire) {
		for _, size := range []int{1, 64, 1 << 20} {
			echo := make([]byte, size)
			echo[0] = guests.OpEcho
			if response := deliver(t, p, echo); !bytes.Equal(response, echo) {
				t.Errorf("echo of %d bytes came back with %d", size, len(response))
			}
		}
		for _, bad := range []string{"", "x", "B", "S", "\x00"} {
			wantError(t, "message "+bad, second(p.message([]byte(bad))), &guest.ComponentError{Case: guest.CaseInvalidMessage})
		}
		wantError(t, "unknown key", p.initialize(guest.Config{{Key: "pear"}}), &guest.ComponentError{Case: guest.CaseFailed})
		wantCounters(t, p, guests.Counters{Handled: 3})
	}
	each(t, guests.NewPingPong, guests.PingPong, both)
	each(t, guests.NewRoundTrip, guests.RoundTrip, both)
}

func second(_ []byte, err error) error { return err }

func TestNativeGuestsDoNotAllocate(t *testing.T) {
	w := new(discard)
	ball := guests.NewMessage(guests.OpBall, 1<<40, 64)
	pingpong := guests.NewPingPong()
	if n := testing.AllocsPerRun(100, func() { _, _ = pingpong.HandleMessage(w, "test/sender", ball) }); n != 0 {
		t.Errorf("a ball allocates %v times", n)
	}
	roundtrip := guests.NewRoundTrip()
	if _, err := roundtrip.HandleMessage(w, "test/sender", guests.NewMessage(guests.OpStart, 1<<40, 64)); err != nil {
		t.Fatal(err)
	}
	callback := roundtrip.(guest.CallbackHandler)
	if n := testing.AllocsPerRun(100, func() { _ = callback.HandleCallback(w, w.lastID, w.request, nil) }); n != 0 {
		t.Errorf("a round trip allocates %v times", n)
	}
}
