//go:build cgo && linux && (amd64 || arm64)

package wasmtime_test

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

const starvedVariable = "AIRHOST_TEST_STARVED"

// counts returns a guest that counts n down for each message.
func counts(t *testing.T, n int32) []byte {
	t.Helper()
	body := append(appendS32([]byte{0x41}, n), 0x21, 0) // local 0 = n
	return withBody(t, append(body, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b)...)
}

// appendS32 appends a number as signed LEB128.
func appendS32(b []byte, n int32) []byte {
	for {
		low := byte(n & 0x7f)
		if n >>= 7; n == 0 && low&0x40 == 0 || n == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// usedByProcess is the processor time of this process.
func usedByProcess() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// honest is a guest with work to do.
type honest struct {
	name string
	in   core.Instance
}

// honestGuests returns a guest on each engine. Its message takes 20 to 40 ms of processor
// time, of which its limit allows three times as much.
func honestGuests(t *testing.T) (guests []honest) {
	t.Helper()
	for name, e := range engines(t) {
		work := int32(1 << 20)
		var took time.Duration
		for ; ; work *= 2 {
			in := instantiate(t, compile(t, e, counts(t, work), core.Limits{}), core.Environment{Host: sink{}, Limits: core.Limits{HandlerTime: time.Hour}})
			before := usedByProcess()
			must(t, in.HandleMessage(self, nil, nil))
			if took = usedByProcess() - before; took > 20*time.Millisecond {
				break
			}
		}
		limits := core.Limits{HandlerTime: 3 * took, HandlerWallTime: 3 * took}
		guests = append(guests, honest{name, instantiate(t, compile(t, e, counts(t, work), core.Limits{}), core.Environment{Host: sink{}, Limits: limits})})
	}
	return guests
}

func handleAll(t *testing.T, guests []honest) {
	t.Helper()
	for _, g := range guests {
		before := time.Now()
		if err := g.in.HandleMessage(self, nil, nil); err != nil {
			t.Errorf("%s: %v", g.name, err)
		}
		t.Logf("%s: a call took %v", g.name, time.Since(before))
	}
}

// TestStarvedByGoroutines: a guest gets its time in a program with 100 goroutines that
// keep the processors busy.
func TestStarvedByGoroutines(t *testing.T) {
	guests := honestGuests(t)
	var over atomic.Bool
	var busy sync.WaitGroup
	for range 100 {
		busy.Go(func() {
			for !over.Load() {
			}
		})
	}
	handleAll(t, guests)
	over.Store(true)
	busy.Wait()
}

// TestStarvedByProcesses: a guest gets its time in a program that gets hardly any from
// the system.
func TestStarvedByProcesses(t *testing.T) {
	switch os.Getenv(starvedVariable) {
	case "busy": // until its parent ends
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
		for n := 0; ; n++ { // uses up a processor
			runtime.KeepAlive(n)
		}
	case "starved":
		guests := honestGuests(t)
		for range 2 * runtime.NumCPU() {
			busy := starvedRole("busy")
			stdin, err := busy.StdinPipe()
			must(t, err)
			must(t, busy.Start())
			defer func() { _, _ = stdin.Close(), busy.Wait() }()
		}
		threads, err := os.ReadDir("/proc/self/task")
		must(t, err)
		for _, thread := range threads { // threads that they start inherit it
			id, err := strconv.Atoi(thread.Name())
			must(t, err)
			must(t, syscall.Setpriority(syscall.PRIO_PROCESS, id, 19))
		}
		handleAll(t, guests)
		return
	}
	cmd := starvedRole("starved")
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Error(err)
	}
	t.Logf("%s", output)
}

func starvedRole(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run", "^TestStarvedByProcesses$", "-test.v")
	cmd.Env = append(os.Environ(), starvedVariable+"="+role)
	return cmd
}
