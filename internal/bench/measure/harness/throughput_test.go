package harness_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/internal/bench/measure/harness"
)

func throughput(pattern cells.Pattern, components, pairs int) cells.Key {
	k := key(pattern)
	k.Mode, k.Components, k.Pairs, k.Cores = cells.Throughput, components, pairs, 1
	return k
}

func TestThroughput(t *testing.T) {
	for _, pattern := range cells.Patterns() {
		for _, k := range []cells.Key{
			throughput(pattern, 0, 0), throughput(pattern, 1, 0), throughput(pattern, 3, 0),
			throughput(pattern, 2, 3), throughput(pattern, 300, 0),
		} {
			k.Cores = 1 + k.Components%runtime.GOMAXPROCS(0)
			t.Run(k.String(), func(t *testing.T) {
				before := runtime.GOMAXPROCS(0)
				runs(t, newHarness(t, k, source(pattern)))
				if after := runtime.GOMAXPROCS(0); after != before {
					t.Errorf("GOMAXPROCS is %d afterwards, want %d", after, before)
				}
			})
		}
		k := throughput(pattern, 2, 0)
		k.Engine, k.PayloadBytes = "wazero", 1024
		t.Run(k.String(), func(t *testing.T) { runs(t, openHarness(t, k, wasmParts(pattern))) })
	}
}

// No guest sends a message on, so that all messages that have been handled are in
// flight.
func TestThroughputHasManyInFlight(t *testing.T) {
	handled := make(chan struct{}, 2*harness.InFlight)
	keeping := func(guest.Component, guest.Host, []byte) ([]byte, error) {
		handled <- struct{}{}
		return nil, nil
	}
	r := newHarness(t, throughput(cells.FireAndForget, 2, 0), tamperedEvery(1, cells.FireAndForget, keeping))
	_, err := r.Run(t.Context(), 100_000)
	var lost *harness.LostError
	if !errors.As(err, &lost) || len(handled) != harness.InFlight {
		t.Errorf("%d balls are in flight, %v; want %d, and a LostError", len(handled), err, harness.InFlight)
	}
}

func TestThroughputFindsWhatIsWrong(t *testing.T) {
	dropped := func(pattern cells.Pattern) *harness.Harness {
		return newHarness(t, throughput(pattern, 2, 0), tampered(pattern, dropping))
	}
	_, err := dropped(cells.FireAndForget).Run(t.Context(), 5000)
	var lost *harness.LostError
	if !errors.As(err, &lost) {
		t.Errorf("one ball in a thousand is dropped: got %v, want a LostError", err)
	}
	_, err = dropped(cells.RequestResponse).Run(t.Context(), 5000)
	var unfinished *harness.UnfinishedError
	if !errors.As(err, &unfinished) || unfinished.Done.Status != guests.Mismatch {
		t.Errorf("one request in a thousand is dropped: got %v, want an UnfinishedError by mismatch", err)
	}
	_, err = dropped(cells.Call).Run(t.Context(), 5000)
	if !errors.Is(err, harness.ErrResponse) {
		t.Errorf("one call in a thousand is dropped: got %v, want ErrResponse", err)
	}
	var count *harness.CountError
	if err := runAndVerify(t, newHarness(t, throughput(cells.FireAndForget, 2, 0), idle()), 1000); !errors.As(err, &count) {
		t.Errorf("a guest does nothing: got %v, want a CountError", err)
	}
}

func TestTooManyCores(t *testing.T) {
	k := throughput(cells.Call, 1, 0)
	k.Cores = runtime.GOMAXPROCS(0) + 1
	_, err := harness.New(t.Context(), k, parts(source(cells.Call)))
	var cores *harness.CoresError
	if !errors.As(err, &cores) || cores.Want != k.Cores {
		t.Errorf("got %v, want a CoresError", err)
	}
}
