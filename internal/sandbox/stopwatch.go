package sandbox

import "time"

// A stretch is the time between two checks of a guest, that is, two calls of GoOn.
// The code that counts down a guest's fuel keeps the guest's own part of a stretch
// below movedStretch.
const (
	// shortStretch is the longest stretch that counts in full without reading the
	// thread's clock. The kernel and Go's scheduler take longer than this when they
	// give the processor to another thread or goroutine.
	shortStretch = 64 * time.Microsecond
	// movedStretch is the most that a stretch counts if the goroutine has changed
	// its thread, since no thread's clock has measured it.
	movedStretch = time.Millisecond
	// longestStretch is the most that a stretch counts on a thread that other
	// goroutines may have used during the stretch.
	longestStretch = 4 * time.Millisecond
	// yieldAfter is the time after which a guest yields to Go's scheduler. The
	// scheduler would preempt it after 10 ms, at a point where the stopwatch cannot
	// tell the guest's time from that of other goroutines.
	yieldAfter = 8 * time.Millisecond
)

// threadTime is the processor time that a thread has used.
type threadTime struct {
	thread int // the thread's id; 0 if the system does not report thread times
	used   time.Duration
}

// stopwatch measures the processor time of a guest's current call, and the time that
// the guest waits. It counts neither the time for which the guest is ready without a
// processor nor the time of other goroutines on its thread.
//
// A check reads the system's clock once and counts a short stretch in full. After a
// longer stretch it reads the thread's processor time, which decides for this
// stretch and for the short ones since the previous reading.
type stopwatch struct {
	at      time.Duration // time of the last check; 0 before the first check of a call
	running time.Duration
	most    time.Duration // limit of running
	waiting time.Duration

	yielded time.Duration // when Go's scheduler last ran
	thread  threadTime    // the last reading
	read    time.Duration // value of running at the last reading
}

// addShort counts the stretch that ends now. It returns false, and counts nothing, if
// that needs add: at the first check of a call, after a long stretch, and
// when the guest should yield.
func (w *stopwatch) addShort(now time.Duration) bool {
	stretch := now - w.at
	if w.at == 0 || stretch > shortStretch || now-w.yielded > yieldAfter {
		return false
	}
	w.at = now
	w.running += stretch
	return true
}

// add counts a stretch of any length. alone says that the guest stays on its
// thread and that only the guest and its host functions use the thread.
func (w *stopwatch) add(now time.Duration, thread threadTime, alone bool) {
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
	// If the goroutine left this thread in a short stretch and is back after this
	// longer one, the time since the last reading is lost: at most yieldAfter.
	// spent is negative if short stretches counted too much.
	spent := thread.used - w.thread.used - (w.running - w.read)
	if !alone {
		stretch = min(stretch, longestStretch)
	}
	return min(spent, stretch)
}

// goOn starts a new stretch. The time since the last check does not count.
func (w *stopwatch) goOn(now time.Duration, thread threadTime) {
	w.at, w.yielded, w.thread, w.read = now, now, thread, w.running
}

// begin starts the stopwatch for a call with these limits.
func (w *stopwatch) begin(now time.Duration, limits timeLimits) {
	w.at, w.yielded, w.thread = now, now, threadTime{}
	w.bound(limits)
}

// wait counts time for which the guest asked to sleep.
func (w *stopwatch) wait(d time.Duration, limits timeLimits) {
	w.waiting += d
	w.bound(limits)
}

func (w *stopwatch) bound(limits timeLimits) { w.most = min(limits.running, limits.wall-w.waiting) }

// late reports whether the call has exceeded its limits.
func (w *stopwatch) late() bool { return w.running > w.most }

// timeLimits bound a call's running time, and its running plus waiting time.
type timeLimits struct{ running, wall time.Duration }
