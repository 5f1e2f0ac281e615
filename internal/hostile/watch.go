package hostile

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// Latencies are the neighbour's response times in ascending order.
type Latencies []time.Duration

// Quantile returns the latency at the quantile q, from 0 to 1; 0 if there are no
// answers.
func (l Latencies) Quantile(q float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(len(l)-1, int(q*float64(len(l))))]
}

// watch sends requests to the neighbour, one at a time, and measures them.
type watch struct {
	done      chan struct{}
	ended     sync.WaitGroup
	latencies Latencies
	err       error
}

func (a *Arena) watch(ctx context.Context) *watch {
	w := &watch{done: make(chan struct{}), latencies: make(Latencies, 0, 1<<16)}
	w.ended.Go(func() { w.run(ctx, a) })
	return w
}

func (w *watch) run(ctx context.Context, a *Arena) {
	message := []byte("e good morning")
	// The requests allocate nothing, so they never pay for a garbage collection.
	response := make([]byte, 0, 2*len(message))
	for {
		begin := time.Now()
		var err error
		response, err = a.Host.AppendRequest(ctx, response[:0], neighbor, message)
		w.latencies = append(w.latencies, time.Since(begin))
		if err != nil || !bytes.Equal(response, message) {
			w.err = fmt.Errorf("the neighbour answered %q, %w", response, err)
			return
		}
		select {
		case <-w.done:
			return
		default:
		}
	}
}

// stop returns the latencies, or an error if the neighbour did not answer. A last
// request spans the call of stop.
func (w *watch) stop() (Latencies, error) {
	close(w.done)
	w.ended.Wait()
	slices.Sort(w.latencies)
	return w.latencies, w.err
}

// Undisturbed measures the neighbour for the time d without an attack.
func (a *Arena) Undisturbed(ctx context.Context, d time.Duration) (Latencies, error) {
	w := a.watch(ctx)
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	return w.stop()
}

// record is a log that can be read while it is written.
type record struct {
	mu   sync.Mutex // guards text
	text []byte
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, p...)
	return len(p), nil
}

// take returns the lines so far and removes them.
func (r *record) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := string(r.text)
	r.text = nil
	return strings.Split(text, "\n")
}

// contains checks that one line contains all texts.
func (r *record) contains(texts ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for line := range strings.Lines(string(r.text)) {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			return nil
		}
	}
	return fmt.Errorf("no line of the log says %q", texts)
}

// baseline frees unused memory, returns the memory of the process and resets its
// peak. It returns 0 if the system does not report memory.
func baseline() int64 {
	debug.FreeOSMemory()
	// If this fails, peak reports the peak since the process started.
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	return status("VmRSS:")
}

// peak returns the peak memory of the process since baseline.
func peak() int64 { return status("VmHWM:") }

func status(field string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	var kib int64
	_, after, _ := strings.Cut(string(text), field)
	_, _ = fmt.Sscan(after, &kib) // stays 0 if the field is missing
	return kib << 10
}
