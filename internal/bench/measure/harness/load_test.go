package harness_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/internal/bench/measure/harness"
)

func load(pattern cells.Pattern) cells.Key {
	k := key(pattern)
	k.Mode, k.Cores, k.LoadPercent = cells.Load, 1, 50
	return k
}

// openLoad opens a load at 100,000 messages a second.
func openLoad(t *testing.T, key cells.Key, parts harness.Parts) *harness.Load {
	t.Helper()
	l, err := harness.NewLoad(t.Context(), key, parts)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, l)
	l.SetRate(100_000)
	return l
}

func TestLoad(t *testing.T) {
	for _, pattern := range cells.Patterns() {
		ring := load(pattern)
		if pattern == cells.FireAndForget {
			ring.Components = 5
		}
		wasm := load(pattern)
		wasm.Engine, wasm.PayloadBytes = "wazero", 1024
		for k, p := range map[cells.Key]harness.Parts{
			load(pattern): parts(source(pattern)), ring: parts(source(pattern)), wasm: wasmParts(pattern),
		} {
			t.Run(k.String(), func(t *testing.T) {
				l := openLoad(t, k, p)
				runs(t, l)
				tails := l.Tails()
				if tails.Latency.TotalCount() != 1000 || tails.Latency.Min() <= 0 || tails.PerSecond != 100_000 {
					t.Errorf("got %d latencies from %d ns, at %v a second; want those of the last 1000, at 100000",
						tails.Latency.TotalCount(), tails.Latency.Min(), tails.PerSecond)
				}
			})
		}
	}
}

// The rate is a share of the highest one. Only the first run looks for that.
func TestLoadFindsItsRate(t *testing.T) {
	k := load(cells.FireAndForget)
	k.LoadPercent = 1
	l := openLoad(t, k, parts(source(k.Pattern)))
	l.SetRate(0)
	runs(t, l)
	first := l.Tails().PerSecond
	runs(t, l)
	if again := l.Tails().PerSecond; first <= 0 || again != first {
		t.Errorf("the rate is %v a second, then %v; want one that stays", first, again)
	}
}

func TestLoadFindsWhatIsWrong(t *testing.T) {
	run := func(pattern cells.Pattern, source core.Source) error {
		_, err := openLoad(t, load(pattern), parts(source)).Run(t.Context(), 5000)
		return err
	}
	var lost *harness.LostError
	if err := run(cells.FireAndForget, tampered(cells.FireAndForget, dropping)); !errors.As(err, &lost) || lost.Claimed != 5000 {
		t.Errorf("one ball in a thousand is dropped: got %v, want a LostError", err)
	}
	var unfinished *harness.UnfinishedError
	if err := run(cells.RequestResponse, tampered(cells.RequestResponse, dropping)); !errors.As(err, &unfinished) {
		t.Errorf("one request in a thousand is dropped: got %v, want an UnfinishedError", err)
	}
	if err := run(cells.Call, tampered(cells.Call, dropping)); !errors.Is(err, harness.ErrResponse) {
		t.Errorf("one call in a thousand is dropped: got %v, want ErrResponse", err)
	}
	forging := func(own guest.Component, host guest.Host, message []byte) ([]byte, error) {
		if err := host.Send("bench/done", report(1<<40)); err != nil {
			t.Error(err)
		}
		return own.HandleMessage(host, "", message)
	}
	if err := run(cells.FireAndForget, tampered(cells.FireAndForget, forging)); !errors.Is(err, harness.ErrUnexpected) {
		t.Errorf("one report in a thousand is made up: got %v, want ErrUnexpected", err)
	}
}

func TestLoadOfNoRate(t *testing.T) {
	if _, err := harness.NewLoad(t.Context(), key(cells.Call), parts(source(cells.Call))); err == nil {
		t.Error("a load of 0 %: got no error")
	}
}

func TestLoadOfNothingFails(t *testing.T) {
	err := runAndVerify(t, openLoad(t, load(cells.FireAndForget), parts(idle())), 1000)
	var count *harness.CountError
	if !errors.As(err, &count) || count.Got != (guests.Counters{}) {
		t.Errorf("a guest that does nothing: got %v, want a CountError with no counts", err)
	}
}

func TestInterruptEndsLoad(t *testing.T) {
	l := openLoad(t, load(cells.Call), parts(source(cells.Call)))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := l.Run(ctx, 1<<30); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// bubble is the time of a synctest bubble, in which only sleeping takes time.
type bubble struct{ start time.Time }

func (b bubble) Now() time.Duration { return time.Since(b.start) }
func (bubble) Pause()               { time.Sleep(100 * time.Microsecond) }

// A guest that stalls for 50 ms on one of 2,000 messages, one of which is sent each
// millisecond, makes 50 of them wait, which p99.9 must show. In a closed loop only
// one of them is slow.
func TestStallShowsInLoadOnly(t *testing.T) {
	stalling := func(own guest.Component, host guest.Host, message []byte) ([]byte, error) {
		time.Sleep(50 * time.Millisecond)
		return own.HandleMessage(host, "", message)
	}
	for _, pattern := range cells.Patterns() {
		stalled := func() harness.Parts {
			p := parts(tamperedEvery(1500, pattern, stalling))
			p.Patience, p.Clock = time.Second, bubble{time.Now()}
			if pattern == cells.FireAndForget {
				p.Guest = tamperedEvery(3000, pattern, stalling) // both guests handle each ball
			}
			return p
		}
		t.Run(string(pattern), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				open := inOpenLoop(t, load(pattern), stalled())
				closed := inClosedLoop(t, key(pattern), stalled())
				if open < 45*time.Millisecond || closed > 5*time.Millisecond {
					t.Errorf("p99.9 is %v in an open loop and %v in a closed one, want nearly 50ms, and nothing", open, closed)
				}
			})
		})
	}
}

func inOpenLoop(t *testing.T, key cells.Key, parts harness.Parts) time.Duration {
	t.Helper()
	l, err := harness.NewLoad(t.Context(), key, parts)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.SetRate(1000)
	if err := runAndVerify(t, l, 2000); err != nil {
		t.Fatal(err)
	}
	return time.Duration(l.Tails().Latency.ValueAtPercentile(99.9))
}

func inClosedLoop(t *testing.T, key cells.Key, parts harness.Parts) time.Duration {
	t.Helper()
	r, err := harness.New(t.Context(), key, parts)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	taken := hdrhistogram.New(1, int64(time.Hour), 3)
	for range 2000 {
		elapsed, err := r.Run(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := taken.RecordValue(int64(elapsed)); err != nil {
			t.Fatal(err)
		}
	}
	return time.Duration(taken.ValueAtPercentile(99.9))
}
