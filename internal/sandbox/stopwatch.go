package sandbox

import "time"

// A stretch is the time between two looks at a guest. The code that counts down
// a guest's fuel keeps its part in a stretch below movedStretch.
const (
	// shortStretch is up to where a stretch counts as it is: the kernel and Go's
	// scheduler take longer when they give the processor to somebody else.
	shortStretch = 64 * time.Microsecond
	// movedStretch is the most that a stretch counts of which no thread's clock
	// tells: the goroutine has changed its thread.
	movedStretch = time.Millisecond
	// longestStretch is the most that any stretch counts on a thread that other
	// goroutines may have used meanwhile.
	longestStretch = 4 * time.Millisecond
	// turnTime is how long a guest keeps a processor of Go's. The scheduler takes
	// it away after 10 ms, at a place from where the watch cannot tell the guest's
	// time from that of others.
	turnTime = 8 * time.Millisecond
)

// threadTime is what a thread has used of a processor.
type threadTime struct {
	thread int // its number; 0 where the system does not tell
	used   time.Duration
}

// stopwatch measures for how long a guest runs in one call, on a processor, and
// for how long it waits. Neither the time for which it is ready without a
// processor counts, nor what other goroutines do on its thread.
//
// A look costs one reading of the system's clock: a short stretch counts as it
// is. After a longer one the thread's processor time decides, for this stretch
// and all short ones since it was read last.
type stopwatch struct {
	at      time.Duration // the last look; 0 before the first one of a call
	running time.Duration
	most    time.Duration // of running: then the call is over
	waiting time.Duration

	turn   time.Duration // when Go's scheduler had its turn last
	thread threadTime    // as it was read last
	read   time.Duration // running, at that time
}

// look counts the stretch that ends now, and reports whether it could: the first
// look of a call, the end of a longer stretch or turn take more.
func (w *stopwatch) look(now time.Duration) bool {
	stretch := now - w.at
	if w.at == 0 || stretch > shortStretch || now-w.turn > turnTime {
		return false
	}
	w.at = now
	w.running += stretch
	return true
}

// lookClosely counts a stretch of any length. alone says that only the guest and
// its host functions use the thread between two looks, and that it stays.
func (w *stopwatch) lookClosely(now time.Duration, thread threadTime, alone bool) {
	stretch := now - w.at
	w.running += w.counted(stretch, thread, alone)
	w.at, w.thread, w.read = now, thread, w.running
}

func (w *stopwatch) counted(stretch time.Duration, thread threadTime, alone bool) time.Duration {
	switch {
	case thread.thread == 0:
		return min(stretch, longestStretch)
	case thread.thread != w.thread.thread:
		return min(stretch, movedStretch)
	}
	// A goroutine that has left this thread in a short stretch, and is back after this
	// longer one, loses what it has run since the clock was read: at most turnTime.
	spent := thread.used - w.thread.used - (w.running - w.read) // below 0 where short stretches counted too much
	if !alone {
		stretch = min(stretch, longestStretch)
	}
	return min(spent, stretch)
}

// goOn has the time from the last look to now count for nothing.
func (w *stopwatch) goOn(now time.Duration, thread threadTime) {
	w.at, w.turn, w.thread, w.read = now, now, thread, w.running
}

// begin has the watch go: a call may run and wait for as long as limits say.
func (w *stopwatch) begin(now time.Duration, limits timeLimits) {
	w.at, w.turn, w.thread = now, now, threadTime{}
	w.bound(limits)
}

// wait counts time that the guest has asked to wait for.
func (w *stopwatch) wait(d time.Duration, limits timeLimits) {
	w.waiting += d
	w.bound(limits)
}

func (w *stopwatch) bound(limits timeLimits) { w.most = min(limits.running, limits.wall-w.waiting) }

// late reports whether the call is over.
func (w *stopwatch) late() bool { return w.running > w.most }

// timeLimits bound a call's running time, and with it what it waits.
type timeLimits struct{ running, wall time.Duration }
