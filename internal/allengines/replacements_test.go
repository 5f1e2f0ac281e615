package allengines

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// TestReplacements replaces a Go guest of 3 MB while Go programs and a guest send it numbered
// requests: each version counts them, and hands the count over. No request is refused, lost
// or handled twice, and memory does not grow. AIRHOST_REPLACEMENTS=100 AIRHOST_RATE=50000
// takes so many replacements and requests a second; `make replacements` does that, and shows
// how long the requests took.
func TestReplacements(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a guest of 3 MB four times")
	}
	versions := tallies(t)
	for _, e := range compilers {
		t.Run(e.name, func(t *testing.T) {
			if e.name == wasmtime.Name && !wasmtime.Available {
				t.Skip("built without cgo")
			}
			engine, err := e.open(t.TempDir())
			check(t, err)
			r := &replacements{t: t, engine: e.name, versions: versions}
			r.h = startHost(t, host.Config{RequestTimeout: time.Second, Logger: slog.New(readyHandler{r})}, engine)
			r.run(number(t, "AIRHOST_REPLACEMENTS", 10), number(t, "AIRHOST_RATE", 2000))
			check(t, r.h.Stop(within(t)))
			check(t, engine.Close(within(t)))
		})
	}
}

// compilers are the engines that compile guests, with the folder of a cache.
var compilers = []struct {
	name string
	open func(cache string) (core.Engine, error)
}{
	{wazero.Name, func(cache string) (core.Engine, error) { return wazero.New(wazero.Config{CacheDir: cache}) }},
	{wasmtime.Name, func(cache string) (core.Engine, error) { return wasmtime.New(wasmtime.Config{CacheDir: cache}) }},
}

func number(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	check(t, err)
	return n
}

// tallies builds two versions of testdata/tally, which differ in a custom section.
func tallies(t testing.TB) (versions [2][]byte) {
	path := filepath.Join(t.TempDir(), "tally.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w", "-o", path, "./testdata/tally")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if report, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, report)
	}
	code, err := os.ReadFile(path)
	check(t, err)
	for i := range versions {
		versions[i] = append(bytes.Clone(code), 0, 3, 1, 'v', byte('0'+i)) // section 0, 3 bytes, its name has 1
	}
	return versions
}

// replacements is one run.
type replacements struct {
	t        *testing.T
	h        *host.Host
	engine   string
	versions [2][]byte
	phase    atomic.Int32  // of undisturbed, preparing and replacing
	next     atomic.Uint64 // number of the Go programs' next request
	ready    atomic.Int64  // when a guest has said so, in nanoseconds since 1970

	mu    sync.Mutex // guards the following
	times [phases][]time.Duration
}

const (
	undisturbed = iota
	preparing
	replacing
	phases
)

// readyHandler is a log that notes when a guest says that it is ready.
type readyHandler struct{ r *replacements }

func (h readyHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h readyHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h readyHandler) WithGroup(string) slog.Handler            { return h }
func (h readyHandler) Handle(_ context.Context, record slog.Record) error {
	if record.Message == "ready" {
		h.r.ready.Store(time.Now().UnixNano())
	}
	return nil
}

const askerRequests = 1 << 60 // their numbers begin here

func (r *replacements) deployment(name string, version int, config ...core.ConfigPair) host.Deployment {
	return host.Deployment{
		ID: id(name), Engine: r.engine, Source: core.Source{Code: r.versions[version%2]}, Capabilities: all(), Config: config,
		Limits: core.Limits{HandlerTime: time.Minute, Mailbox: 1 << 20, MailboxBytes: 1 << 30},
		Quota:  host.Quota{MessagesPerSecond: 1 << 20, Burst: 1 << 20, PendingRequests: 1e6},
	}
}

// run makes n replacements under a load of rate requests a second, of which a fifth comes from
// a guest.
func (r *replacements) run(n, rate int) {
	t, target := r.t, id("t/target")
	check(t, r.h.Deploy(within(t), r.deployment("t/target", 0)))
	each := core.ConfigPair{Key: "each", Value: strconv.Itoa(max(1, rate/5/100))}
	check(t, r.h.Deploy(within(t), r.deployment("t/asker", 0, core.ConfigPair{Key: "target", Value: "t/target"}, each)))
	r.command("t/asker", "ask")
	const callers = 4
	stop := make(chan struct{})
	var calling sync.WaitGroup
	for range callers {
		calling.Go(func() { r.call(target, rate*4/5/callers, stop) })
	}
	var swaps []time.Duration
	var memory [2]usage // after a tenth, and after all
	for i := range n {
		if i == (n+9)/10 {
			memory[0] = measure()
		}
		swaps = append(swaps, r.replace(i+1))
		r.phase.Store(undisturbed)
		<-time.After(50 * time.Millisecond) // the load goes on
	}
	memory[1] = measure()
	close(stop)
	calling.Wait()
	r.command("t/asker", "rest")
	check(t, r.h.Quiesce(within(t)))
	r.count(n)
	if memory[1].heap > memory[0].heap+16<<20 || memory[1].resident > memory[0].resident+64<<20 {
		t.Errorf("memory has grown from %v to %v", memory[0], memory[1])
	}
	r.report(swaps, memory)
}

// call sends requests at a rate. Each counts from the time at which it should have been sent.
func (r *replacements) call(target core.ComponentID, rate int, stop <-chan struct{}) {
	var times [phases][]time.Duration
	var message, response [8]byte
	every := time.Second / time.Duration(rate)
	for due := time.Now(); ; due = due.Add(every) {
		select {
		case <-stop:
			r.mu.Lock()
			defer r.mu.Unlock()
			for phase := range times {
				r.times[phase] = append(r.times[phase], times[phase]...)
			}
			return
		default:
		}
		if ahead := time.Until(due); ahead > 0 {
			<-time.After(max(ahead, time.Millisecond)) // several requests at a time
		}
		phase := r.phase.Load()
		binary.LittleEndian.PutUint64(message[:], r.next.Add(1)-1)
		answer, err := r.h.AppendRequest(r.t.Context(), response[:0], target, message[:])
		if err != nil || !bytes.Equal(answer, message[:]) {
			r.t.Errorf("response % x to % x: %v", answer, message, err)
			return
		}
		phase = max(phase, r.phase.Load())
		times[phase] = append(times[phase], time.Since(due))
	}
}

// replace makes one replacement, and returns how long the swap took: from the end of the new
// version's initialize to the end of the hand-over, of the state too.
func (r *replacements) replace(version int) (swap time.Duration) {
	t := r.t
	r.phase.Store(preparing)
	prepared, err := r.h.Prepare(within(t), r.deployment("t/target", version))
	check(t, err)
	r.phase.Store(replacing)
	events, cancel := r.h.Subscribe(16)
	defer cancel()
	check(t, prepared.Replace(within(t)))
	for e := range events {
		if e.Kind == host.EventReplaced {
			return e.Time.Sub(time.Unix(0, r.ready.Load()))
		}
	}
	return 0
}

func (r *replacements) command(target, command string) []byte {
	r.t.Helper()
	response, err := r.h.Request(within(r.t), id(target), []byte(command))
	check(r.t, err)
	return response
}

// count compares what was sent with the tally of the last version.
func (r *replacements) count(n int) {
	t := r.t
	read := func(name string) (numbers [6]uint64) {
		if err := binary.Read(bytes.NewReader(r.command(name, "get")), binary.LittleEndian, &numbers); err != nil {
			t.Fatal(err)
		}
		return numbers
	}
	handled, asker := read("t/target"), read("t/asker")
	var want [6]uint64
	for i := range r.next.Load() {
		want[0], want[1], want[2] = want[0]+1, want[1]+i, want[2]+i*i
	}
	for i := range asker[3] {
		i += askerRequests
		want[0], want[1], want[2] = want[0]+1, want[1]+i, want[2]+i*i
	}
	if handled != want || asker[4] != 0 || asker[5] != 0 || asker[3] == 0 {
		t.Errorf("after %d replacements the target has handled %v, want %v; the asker has %d pending and %d wrong of %d",
			n, handled[:3], want[:3], asker[4], asker[5], asker[3])
	}
	if s := r.h.Snapshot(); len(s.Refused) > 0 || s.DeadLetters+s.Expired+s.Timeouts+s.Traps > 0 {
		t.Errorf("%+v", s)
	}
}

// usage is the memory of Go's heap, and that of the process, in bytes.
type usage struct{ heap, resident int64 }

func (u usage) String() string {
	return fmt.Sprintf("%d MiB of heap and %d MiB in all", u.heap>>20, u.resident>>20)
}

func measure() usage {
	runtime.GC()
	debug.FreeOSMemory()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	u := usage{heap: int64(stats.HeapAlloc)}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		pages, _ := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
		u.resident = pages * int64(os.Getpagesize())
	}
	return u
}

func (r *replacements) report(swaps []time.Duration, memory [2]usage) {
	for phase, name := range []string{"undisturbed", "preparing", "replacing"} {
		all := r.times[phase]
		slices.Sort(all)
		if len(all) > 0 {
			r.t.Logf("%-12s %8d requests: median %v, p99 %v, p99.9 %v, most %v", name, len(all), all[len(all)/2], all[len(all)*99/100], all[len(all)*999/1000], all[len(all)-1])
		}
	}
	slices.Sort(swaps)
	r.t.Logf("swap: median %v, most %v; memory: %v, then %v", swaps[len(swaps)/2], swaps[len(swaps)-1], memory[0], memory[1])
}
