package harness_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/airhost/airhost/internal/bench/measure/harness"
)

// clock is a time that passes only in pauses, and when it is told to.
type clock struct {
	now     time.Duration
	onPause func()
}

func (c *clock) Now() time.Duration { return c.now }

func (c *clock) Pause() {
	c.now += 10 * time.Microsecond
	if c.onPause != nil {
		c.onPause()
	}
}

// server takes 10 µs for an operation, and 50 ms for one of them.
type server struct {
	clock  *clock
	served int
	stalls int // which, or -1 for none
}

func (s *server) serve() {
	s.clock.now += 10 * time.Microsecond
	if s.served == s.stalls {
		s.clock.now += 50*time.Millisecond - 10*time.Microsecond
	}
	s.served++
}

// serving returns a generator that drives the server.
func serving(s *server) *harness.Generator {
	var g *harness.Generator
	g = harness.NewGenerator(harness.GeneratorConfig{
		Send: func(sequence uint64) error {
			s.serve()
			g.Complete(sequence)
			return nil
		},
		InFlight: 8, Patience: time.Second, Stuck: func(context.Context) error { return nil }, Clock: s.clock,
	})
	return g
}

// A server that stalls for 50 ms once in 2,000 operations, one of which comes each
// millisecond, makes about 50 of them wait. The open loop must see it. A closed loop
// does not: to it, one operation in 2,000 was slow, which is less than one in a
// thousand.
func TestStallShowsInOpenLoopOnly(t *testing.T) {
	open, err := serving(&server{new(clock), 0, 1000}).Run(t.Context(), 2000, 1000)
	if err != nil {
		t.Fatal(err)
	}
	// The third largest latency is that of the third operation of the stall.
	if got := time.Duration(open.Latencies.ValueAtPercentile(99.9)); got < 47*time.Millisecond || got > 49*time.Millisecond {
		t.Errorf("open loop: p99.9 is %v, want about 48ms", got)
	}
	if got := time.Duration(open.Latencies.ValueAtPercentile(50)); got > 20*time.Microsecond {
		t.Errorf("open loop: p50 is %v, want what the server needs", got)
	}
	if open.Late != 49 {
		t.Errorf("%d operations were sent late, want the 49 that were due until a millisecond before the stall's end", open.Late)
	}

	closed := hdrhistogram.New(1, int64(time.Hour), 3)
	s := &server{new(clock), 0, 1000}
	for range 2000 {
		before := s.clock.now
		s.serve()
		if err := closed.RecordValue(int64(s.clock.now - before)); err != nil {
			t.Fatal(err)
		}
	}
	if got := time.Duration(closed.ValueAtPercentile(99.9)); got > 20*time.Microsecond {
		t.Errorf("closed loop: p99.9 is %v; this test shows nothing if the stall shows here too", got)
	}
}

func TestScheduleIsKept(t *testing.T) {
	c := new(clock)
	var sent []time.Duration
	var g *harness.Generator
	g = harness.NewGenerator(harness.GeneratorConfig{
		Send: func(sequence uint64) error {
			sent = append(sent, c.now)
			g.Complete(sequence)
			return nil
		},
		InFlight: 1, Clock: c,
	})
	for range 2 { // windows
		sent = nil
		began := c.now
		w, err := g.Run(t.Context(), 4, 3000)
		if err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{0, 340 * time.Microsecond, 670 * time.Microsecond, 1000 * time.Microsecond} // up to a pause late
		for i := range want {
			want[i] += began
		}
		if !slices.Equal(sent, want) || w.Latencies.TotalCount() != 4 || w.Late != 0 || w.Elapsed != time.Millisecond {
			t.Errorf("sent at %v of %+v, want %v", sent, w, want)
		}
	}
}

// A rate that cannot be kept: every operation is sent in the end, and each one's
// wait counts.
func TestOverload(t *testing.T) {
	w, err := serving(&server{new(clock), 0, -1}).Run(t.Context(), 1000, 200_000)
	if err != nil {
		t.Fatal(err)
	}
	if w.Latencies.TotalCount() != 1000 || w.Elapsed != 10*time.Millisecond {
		t.Errorf("%d operations in %v, want 1000 in 10ms", w.Latencies.TotalCount(), w.Elapsed)
	}
	// The last is due at 4.995 ms and ends at 10 ms.
	if got := w.Latencies.Max(); got < 5_000_000 || got > 5_020_000 {
		t.Errorf("the last one took %d ns, want about 5005000", got)
	}
}

func TestSaturateKeepsInFlight(t *testing.T) {
	c := new(clock)
	var underWay []uint64
	var g *harness.Generator
	most := 0
	g = harness.NewGenerator(harness.GeneratorConfig{
		Send: func(sequence uint64) error {
			underWay = append(underWay, sequence)
			most = max(most, len(underWay))
			return nil
		},
		InFlight: 4, Patience: time.Second, Stuck: func(context.Context) error { return nil }, Clock: c,
	})
	c.onPause = func() { // the last of them ends first, as far as there is one
		g.Complete(underWay[len(underWay)-1])
		underWay = underWay[:len(underWay)-1]
	}
	elapsed, err := g.Saturate(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if most != 4 || elapsed != 100*10*time.Microsecond {
		t.Errorf("%d were under way, in %v; want 4, in 1ms", most, elapsed)
	}
}

var errLost = errors.New("lost")

// losing drives a server that forgets one operation.
func losing(stuck func(context.Context) error, c *clock) *harness.Generator {
	var g *harness.Generator
	g = harness.NewGenerator(harness.GeneratorConfig{
		Send: func(sequence uint64) error {
			if sequence != 5 {
				g.Complete(sequence)
			}
			return nil
		},
		InFlight: 4, Patience: time.Second, Stuck: stuck, Clock: c,
	})
	return g
}

func TestLostOperationEndsWindow(t *testing.T) {
	for _, n := range []int{6, 100} { // at the end, and on the way
		g := losing(func(context.Context) error { return errLost }, new(clock))
		if _, err := g.Run(t.Context(), n, 1000); !errors.Is(err, errLost) {
			t.Errorf("the sixth of %d operations is lost: got %v", n, err)
		}
	}
}

func TestSlowOperationIsWaitedFor(t *testing.T) {
	var g *harness.Generator
	asked := 0
	g = losing(func(context.Context) error {
		if asked++; asked == 3 {
			g.Complete(5)
			return errLost // too late to be true
		}
		return nil
	}, new(clock))
	w, err := g.Run(t.Context(), 10, 1000)
	if err != nil || w.Latencies.TotalCount() != 10 || w.Elapsed < 3*time.Second {
		t.Errorf("got %d operations in %v, %v; want all 10, after three looks", w.Latencies.TotalCount(), w.Elapsed, err)
	}
}

func TestContextEndsWindow(t *testing.T) {
	for name, send := range map[string]func(*harness.Generator, uint64){
		"waiting for time": func(g *harness.Generator, sequence uint64) { g.Complete(sequence) },
		"waiting for an operation": func(*harness.Generator, uint64) {
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		c := new(clock)
		c.onPause = func() {
			if c.now > time.Second {
				cancel()
			}
		}
		var g *harness.Generator
		g = harness.NewGenerator(harness.GeneratorConfig{
			Send:     func(sequence uint64) error { send(g, sequence); return nil },
			InFlight: 4, Patience: time.Hour, Clock: c,
		})
		if _, err := g.Run(ctx, 1_000_000, 1000); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestRefusalEndsWindow(t *testing.T) {
	g := harness.NewGenerator(harness.GeneratorConfig{Send: func(uint64) error { return errLost }, InFlight: 1, Clock: new(clock)})
	if _, err := g.Run(t.Context(), 2, 1000); !errors.Is(err, errLost) {
		t.Errorf("got %v", err)
	}
}

func TestUnexpectedEndFailsWindow(t *testing.T) {
	for name, ends := range map[string][]uint64{
		"twice": {0, 0}, "never sent": {0, 1}, "in the place of another": {4},
	} {
		var g *harness.Generator
		g = harness.NewGenerator(harness.GeneratorConfig{
			Send: func(uint64) error {
				for _, sequence := range ends {
					g.Complete(sequence)
				}
				return nil
			},
			InFlight: 4, Patience: time.Hour, Clock: new(clock),
		})
		if _, err := g.Run(t.Context(), 1, 1000); !errors.Is(err, harness.ErrUnexpected) {
			t.Errorf("%s: got %v, want ErrUnexpected", name, err)
		}
	}
}

func TestFirstFailureEndsAllWindows(t *testing.T) {
	g := serving(&server{new(clock), 0, -1})
	g.Fail(errLost)
	g.Fail(errors.New("another"))
	for range 2 {
		if _, err := g.Run(t.Context(), 10, 1000); !errors.Is(err, errLost) {
			t.Errorf("got %v", err)
		}
	}
}

func TestSpinning(t *testing.T) {
	var c harness.Clock = harness.Spinning{}
	for before := c.Now(); c.Now() == before; {
		c.Pause()
	}
}
