package sandbox

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world simulates a guest's thread: the times that the stopwatch sees, and those
// that it does not.
type world struct {
	watch   stopwatch
	alone   bool
	now     time.Duration
	thread  int
	used    map[int]time.Duration // processor time of each thread, by all goroutines
	guest   time.Duration         // the guest's time on all threads since the first check
	shared  time.Duration         // other goroutines' time that the stopwatch may count
	missing time.Duration         // the guest's time that the stopwatch may miss
	strayed time.Duration         // the guest's time on threads other than the one whose clock was read last
}

func newWorld(alone bool) *world {
	w := &world{alone: alone, now: 1, thread: 1, used: make(map[int]time.Duration)}
	w.watch.begin(w.now, timeLimits{math.MaxInt64, math.MaxInt64})
	return w
}

// run simulates one stretch: the guest's time, other goroutines' time on its thread,
// and time without a processor. The guest ends up on the given thread.
func (w *world) run(guest, others, ready time.Duration, thread int) {
	known := w.watch.thread.thread == w.thread && thread == w.thread
	back := w.watch.thread.thread == thread
	if w.thread != w.watch.thread.thread {
		w.strayed += guest
	}
	w.used[w.thread] += guest + others
	w.guest += guest
	w.now += guest + others + ready
	w.thread = thread
	if w.watch.addShort(w.now) {
		w.shared += others + ready // less than shortStretch in all
		return
	}
	w.watch.add(w.now, threadTime{thread, w.used[thread]}, w.alone)
	if back { // time on other threads that no check has seen
		w.missing += w.strayed
	}
	w.strayed = 0
	switch {
	case !known:
		w.missing += max(0, guest-movedStretch)
		w.shared += min(others+ready, movedStretch)
	case !w.alone:
		w.missing += max(0, guest-longestStretch)
		w.shared += min(others, longestStretch)
	}
}

// TestStopwatch: the stopwatch counts at most the guest's time plus the share of
// others that each stretch may add, and misses at most the part of a stretch above
// its maximum.
func TestStopwatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(rapid.Bool().Draw(t, "alone"))
		for range rapid.IntRange(1, 50).Draw(t, "stretches") {
			guest := time.Duration(rapid.Int64Range(0, int64(6*time.Millisecond)).Draw(t, "guest") >> rapid.IntRange(0, 12).Draw(t, "shift"))
			ready := time.Duration(rapid.SampledFrom([]int64{0, 0, 0, 1e4, 1e6, 1e9}).Draw(t, "ready"))
			var others time.Duration
			thread := w.thread
			if !w.alone {
				others = time.Duration(rapid.SampledFrom([]int64{0, 0, 0, 1e4, 1e7}).Draw(t, "others"))
				thread = rapid.SampledFrom([]int{w.thread, w.thread, 1, 2}).Draw(t, "thread")
			}
			w.run(guest, others, ready, thread)
			if counted := w.watch.running; counted > w.guest+w.shared || counted < w.guest-w.missing {
				t.Fatalf("counted %v, where the guest ran %v: may be %v more, %v less", counted, w.guest, w.shared, w.missing)
			}
		}
	})
}

// TestStopwatchOnABusyMachine: a guest that is always ready and rarely gets a
// processor is charged for its own time only.
func TestStopwatchOnABusyMachine(t *testing.T) {
	for _, alone := range []bool{false, true} {
		w := newWorld(alone)
		for range 100 {
			for range 50 {
				w.run(20*time.Microsecond, 0, 0, 1)
			}
			w.run(20*time.Microsecond, 0, time.Second, 1) // the kernel gave the processor to another process
		}
		if most := w.guest + movedStretch; w.watch.running > most || w.watch.running < w.guest-20*time.Microsecond {
			t.Errorf("alone %t: counted %v, where the guest ran %v", alone, w.watch.running, w.guest)
		}
	}
}

// TestStopwatchSpins: a guest that runs all the time is charged for all of it,
// whatever the length of the stretches.
func TestStopwatchSpins(t *testing.T) {
	for _, stretch := range []time.Duration{time.Microsecond, 20 * time.Microsecond, 200 * time.Microsecond, time.Millisecond, 4 * time.Millisecond} {
		w := newWorld(false)
		for w.guest < 100*time.Millisecond {
			w.run(stretch, 0, 0, 1)
		}
		if late := w.guest - w.watch.running; late > stretch {
			t.Errorf("stretches of %v: counted %v of %v", stretch, w.watch.running, w.guest)
		}
	}
}

// TestStopwatchWithoutThreadClocks: on a system without thread times, a stretch
// counts in full, up to its maximum.
func TestStopwatchWithoutThreadClocks(t *testing.T) {
	var w stopwatch
	w.begin(1, timeLimits{math.MaxInt64, math.MaxInt64})
	w.add(1+time.Millisecond, threadTime{}, true)
	w.add(1+time.Hour, threadTime{}, true)
	if want := time.Millisecond + longestStretch; w.running != want {
		t.Errorf("counted %v, want %v", w.running, want)
	}
}

// TestStopwatchWaits: waiting does not count as running; the sum of both has a
// limit.
func TestStopwatchWaits(t *testing.T) {
	limits := timeLimits{running: 10 * time.Millisecond, wall: 100 * time.Millisecond}
	var w stopwatch
	w.begin(1, limits)
	for range 99 {
		w.wait(time.Millisecond, limits)
	}
	w.running = time.Millisecond
	if w.late() {
		t.Errorf("late after %v and %v", w.running, w.waiting)
	}
	w.wait(time.Millisecond, limits)
	if !w.late() {
		t.Errorf("not late after %v and %v", w.running, w.waiting)
	}
}

// TestReadThread: a thread's clock never goes back, and reading it does not
// allocate.
func TestReadThread(t *testing.T) {
	if readThread() == (threadTime{}) {
		t.Skip("no thread clocks here")
	}
	begun := readThread()
	for same := 0; same < 1000; same++ {
		now := readThread()
		if now.thread == begun.thread && now.used < begun.used {
			t.Fatalf("%v after %v", now, begun)
		}
		begun = now
	}
	if n := testing.AllocsPerRun(100, func() { readThread() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGoOn(b *testing.B) {
	s := &State{Alone: false}
	s.Env.Limits.HandlerTime, s.Env.Limits.HandlerWallTime = math.MaxInt64, math.MaxInt64
	for b.Loop() {
		s.GoOn()
	}
}

func BenchmarkReadThread(b *testing.B) {
	for b.Loop() {
		readThread()
	}
}
