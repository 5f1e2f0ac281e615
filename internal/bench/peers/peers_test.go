package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/remote"
)

// serveVariable makes the test binary the program that it tests.
const serveVariable = "AIRHOST_PEERS_SERVE"

func TestMain(m *testing.M) {
	switch {
	case isHashicorpPlugin():
		serveHashicorpPlugin()
	case os.Getenv(serveVariable) != "":
		os.Exit(run(nil, os.Stdout, os.Stderr))
	default:
		goleak.VerifyTestMain(m)
	}
}

// subjectOf opens a cell, which the test closes.
func subjectOf(t testing.TB, key cells.Key) *subject {
	t.Helper()
	opened, err := open(t.Context(), key, false)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, opened)
	return opened.(*subject)
}

func closeAfter(t testing.TB, s remote.Subject) {
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestPeers makes every peer do a few operations, with payloads of several sizes.
func TestPeers(t *testing.T) {
	for _, offer := range offers() {
		for _, payload := range []int{headerSize, usualPayload, 4099} {
			key := offer.Key
			key.PayloadBytes = payload
			t.Run(key.String(), func(t *testing.T) {
				if offer.Reason != "" {
					t.Skip(offer.Reason)
				}
				runVerified(t, subjectOf(t, key), 1, 7, 100)
			})
		}
	}
}

// runVerified makes the subject run each number of operations.
func runVerified(t testing.TB, s *subject, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		elapsed, err := s.Run(t.Context(), n)
		if err != nil {
			t.Fatalf("%d operations: %v", n, err)
		}
		if elapsed <= 0 {
			t.Errorf("%d operations took %v", n, elapsed)
		}
		if err := s.Verify(t.Context(), n); err != nil {
			t.Error(err)
		}
	}
}

func TestRunOfManyBatches(t *testing.T) {
	s := subjectOf(t, peerNamed(t, "wazero-bare").key(cells.FireAndForget, usualPayload))
	runVerified(t, s, 2*batch+1)
}

func peerNamed(t testing.TB, name string) peer {
	t.Helper()
	for _, p := range peers {
		if p.name == name {
			return p
		}
	}
	t.Fatalf("there is no peer %q", name)
	return peer{}
}

func TestRunEndsWithContext(t *testing.T) {
	s := subjectOf(t, peerNamed(t, "go-channels").key(cells.RequestResponse, usualPayload))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(ctx, 1<<40); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// negligent does all operations, and counts one less.
type negligent struct {
	host
	runs uint64
}

func (n *negligent) run(ops int) error {
	n.runs++
	return n.host.run(ops)
}

func (n *negligent) counts() (counts, error) {
	c, err := n.host.counts()
	c.Handled -= n.runs
	return c, err
}

func TestVerifyFindsSkippedWork(t *testing.T) {
	s := subjectOf(t, peerNamed(t, "wazero-bare").key(cells.Call, usualPayload))
	s.host = &negligent{host: s.host}
	if _, err := s.Run(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), 10); !errors.Is(err, errCount) {
		t.Errorf("one operation of ten was not counted: got %v, want errCount", err)
	}
}

func TestAlteredResponses(t *testing.T) {
	wrong := call(func(payload []byte) ([]byte, error) { return bytes.ToUpper(payload), nil })
	if err := wrong.times(1, newMessage(usualPayload)); !errors.Is(err, errAltered) {
		t.Errorf("a call: got %v, want errAltered", err)
	}
	done := make(chan error, 1)
	a := asker{request: newMessage(usualPayload), done: done}
	if !a.start(2) || a.take(newMessage(usualPayload)) {
		t.Error("a request: it goes on after a wrong response")
	}
	if err := <-done; !errors.Is(err, errAltered) {
		t.Errorf("a request: got %v, want errAltered", err)
	}
}

// TestGuestFindsAlteredResponse: the guest that sends requests compares the
// responses.
func TestGuestFindsAlteredResponse(t *testing.T) {
	for _, name := range []string{"wazero-bare", "wasmtime-go-bare"} {
		p := peerNamed(t, name)
		if p.missing != "" {
			continue
		}
		b := subjectOf(t, p.key(cells.RequestResponse, usualPayload)).host.(*bare)
		if _, err := b.guests[0].enter(bareCallback, bytes.Repeat([]byte{1}, usualPayload)); err == nil {
			t.Errorf("%s: a response that was not asked for: got no error, want a trap", name)
		}
	}
}

func TestPayloadTravels(t *testing.T) {
	s := subjectOf(t, peerNamed(t, "wazero-bare").key(cells.FireAndForget, usualPayload))
	if _, err := s.Run(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	// The fifth hop was the second component's to take.
	g := s.host.(*bare).guests[1].(*wazeroGuest)
	got, _ := g.module.Memory().Read(g.inbox, usualPayload)
	want := newMessage(usualPayload)
	binary.LittleEndian.PutUint64(want[sentAt:], 5)
	if !bytes.Equal(got, want) {
		t.Errorf("after five hops the message is\n%x, want\n%x", got, want)
	}
}

// TestInterruption: a peer that claims to be interruptible is.
func TestInterruption(t *testing.T) {
	t.Run("wazero-interruptible", func(t *testing.T) {
		s := subjectOf(t, peerNamed(t, "wazero-interruptible").key(cells.Call, usualPayload))
		b := s.host.(*bare)
		timer := time.AfterFunc(time.Millisecond, b.engine.(*wazeroEngine).cancel)
		defer timer.Stop()
		g := b.guests[0].(*wazeroGuest)
		if _, err := g.module.ExportedFunction("spin").Call(g.ctx); err == nil {
			t.Error("a guest that loops returned without an error")
		}
	})
	t.Run("extism-timeout", func(t *testing.T) {
		e, err := newExtism(t.Context(), time.Millisecond, usualPayload)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := e.plugin.Call("spin", nil); err == nil {
			t.Error("a guest that loops returned without an error")
		}
		_ = e.close() // the plug-in has been closed by its timeout
	})
}

func TestHashicorpIsAnotherProcess(t *testing.T) {
	h := subjectOf(t, peerNamed(t, "hashicorp-go-plugin").key(cells.Call, usualPayload)).host.(*hashicorp)
	if pid := h.client.ReattachConfig().Pid; pid == os.Getpid() || pid == 0 {
		t.Errorf("the plug-in's process is %d, want another than %d", pid, os.Getpid())
	}
}

func TestOpenRefuses(t *testing.T) {
	valid := peerNamed(t, "go-channels").key(cells.FireAndForget, usualPayload)
	with := func(change func(*cells.Key)) cells.Key {
		key := valid
		change(&key)
		return key
	}
	for name, key := range map[string]cells.Key{
		"no such peer":          with(func(k *cells.Key) { k.Engine = "pigeons" }),
		"airhost's own cell":    with(func(k *cells.Key) { k.Peer = false }),
		"not a peer's mode":     with(func(k *cells.Key) { k.Mode = cells.Load }),
		"not a peer's pattern":  with(func(k *cells.Key) { k.Pattern = cells.Call }),
		"more than one pair":    with(func(k *cells.Key) { k.Pairs = 2 }),
		"peers have no brokers": with(func(k *cells.Key) { k.Broker = "inproc" }),
	} {
		if _, err := open(t.Context(), key, false); !errors.Is(err, errUnknown) {
			t.Errorf("%s: got %v, want errUnknown", name, err)
		}
	}
	if _, err := open(t.Context(), valid, true); !errors.Is(err, errUnknown) {
		t.Errorf("a floor: got %v, want errUnknown", err)
	}
	if _, err := open(t.Context(), with(func(k *cells.Key) { k.PayloadBytes = headerSize - 1 }), false); err == nil {
		t.Error("a payload without room for the header: got no error")
	}
}

func TestMissingPeerIsLeftOut(t *testing.T) {
	defer func(all []peer) { peers = all }(peers)
	absent := peerNamed(t, "go-channels")
	absent.missing = "there are no channels here"
	peers = []peer{absent}
	var leftOut *cells.LeftOutError
	_, err := open(t.Context(), absent.key(cells.FireAndForget, usualPayload), false)
	if !errors.As(err, &leftOut) || !strings.Contains(leftOut.Reason, absent.missing) {
		t.Errorf("got %v, want it left out, with the reason", err)
	}
	if offer := offers()[0]; offer.Reason != absent.missing {
		t.Errorf("its offer has the reason %q, want %q", offer.Reason, absent.missing)
	}
}

// TestServes starts this program as benchrunner does.
func TestServes(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self)
	command.Env = append(os.Environ(), serveVariable+"=1")
	program, err := remote.Start(t.Context(), "peers", command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := program.Close(); err != nil {
			t.Error(err)
		}
	})
	offered, err := program.Offers(t.Context())
	if err != nil || len(offered) != len(offers()) {
		t.Fatalf("got %d offers, %v; want %d", len(offered), err, len(offers()))
	}
	for _, offer := range offered {
		if offer.Reason != "" {
			continue
		}
		s, err := program.Open(t.Context(), offer.Key, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Run(t.Context(), 10); err != nil {
			t.Error(err)
		}
		if err := s.Verify(t.Context(), 10); err != nil {
			t.Error(err)
		}
	}
	// Closing the program closes the subjects that are still open: all.
}

func TestList(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"list"}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	for _, p := range peers {
		if !strings.Contains(out.String(), p.name+" ") {
			t.Errorf("the list lacks %s:\n%s", p.name, out.String())
		}
	}
}

func TestWrongUsage(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"lits"}, &out, &errs); code != 2 || errs.String() != usage+"\n" || out.Len() > 0 {
		t.Errorf("got exit code %d, %q; want 2 and the usage", code, errs.String())
	}
}

// BenchmarkPeers gives a first look. Only the figures of benchrunner count: it
// measures the cells in turns.
func BenchmarkPeers(b *testing.B) {
	for _, offer := range offers() {
		b.Run(offer.Key.String(), func(b *testing.B) {
			if offer.Reason != "" {
				b.Skip(offer.Reason)
			}
			benchmark(b, subjectOf(b, offer.Key))
		})
	}
}

func benchmark(b *testing.B, s *subject) {
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := s.Run(b.Context(), b.N); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if err := s.Verify(b.Context(), b.N); err != nil {
		b.Error(err)
	}
}
