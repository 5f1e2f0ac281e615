package session_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"go.uber.org/goleak"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/compare"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/measure"
	"github.com/airhost/airhost/internal/bench/measure/remote"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
	"github.com/airhost/airhost/internal/bench/measure/session"
)

// The test binary serves as both builds. The variable serve has the nanoseconds of
// each operation, or "old" for a build that serves nothing; starts names a file to
// which each process adds a line.
const serve, starts = "AIRHOST_TEST_SERVE", "AIRHOST_TEST_STARTS"

func TestMain(m *testing.M) {
	switch level := os.Getenv(serve); level {
	case "":
		goleak.VerifyTestMain(m)
	case "old":
		fmt.Println("Error: unknown command")
		os.Exit(2)
	default:
		if err := serveBuild(level); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func serveBuild(level string) error {
	log, err := os.OpenFile(os.Getenv(starts), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(log, level)
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	ns, err := strconv.Atoi(level)
	if err != nil {
		return err
	}
	return remote.Server{Open: func(_ context.Context, key cells.Key, floor bool) (remote.Subject, error) {
		simple := simulated{time.Duration(ns), key.String()}
		if floor {
			simple.each = 10
		}
		switch {
		case key.Part == cells.Memory:
			return heavy{simple}, nil
		case key.Mode == cells.Load:
			return tail{simple}, nil
		}
		return simple, nil
	}}.Main(context.Background())
}

// simulated takes each operation's time without passing it.
type simulated struct {
	each time.Duration
	name string
}

func (s simulated) Name() string { return s.name }
func (s simulated) Run(_ context.Context, n int) (time.Duration, error) {
	return time.Duration(n) * s.each, nil
}
func (s simulated) Verify(context.Context, int) error { return nil }
func (s simulated) Close() error                      { return nil }

type heavy struct{ simulated }

func (h heavy) Value() float64 { return 1000 * float64(h.each) }

type tail struct{ simulated }

func (t tail) Tails() sampling.Tails {
	latency := hdrhistogram.New(1, 1_000_000, 3)
	if err := latency.RecordValue(int64(t.each)); err != nil {
		panic(err)
	}
	return sampling.Tails{Latency: latency, PerSecond: 1000}
}

// all is a source that can measure every cell.
type all struct{ measure.Source }

func (all) Reason(cells.Key) string          { return "" }
func (all) OutOfProcess(cells.Key) bool      { return false }
func (all) Target(cells.Key) (float64, bool) { return 0, false }

// twoBuilds is a session of two builds with these times of an operation, and the file
// that counts their starts.
func twoBuilds(t *testing.T, base, head string, keys ...cells.Key) (s session.Session, counted string) {
	t.Helper()
	counted = filepath.Join(t.TempDir(), "starts")
	if err := os.WriteFile(counted, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(level string) func() *exec.Cmd {
		return func() *exec.Cmd {
			command := exec.Command(os.Args[0])
			// Under the race detector each process would sleep for a second at its end.
			command.Env = append(os.Environ(), serve+"="+level, starts+"="+counted, "GORACE=atexit_sleep_ms=0")
			return command
		}
	}
	return session.Session{
		Base: session.Build{Name: "base", Command: command(base)}, Head: session.Build{Name: "head", Command: command(head)},
		Cells: all{}, Keys: keys,
		Spec: measure.Spec{
			Sampling: sampling.Options{Samples: 2*compare.Starts - 1, Seed: 1},
			Size:     sampling.Size{Ops: 10}, Root: os.DirFS(t.TempDir()),
		},
	}, counted
}

func key(pattern cells.Pattern) cells.Key {
	return cells.Key{
		Engine: "wazero", Broker: "inproc", Tracker: "slab",
		Pattern: pattern, PayloadBytes: 64, Mode: cells.Latency,
	}
}

// ofSession returns a file of the session that all its files are of.
func ofSession(commit string, measured []result.Cell) *result.File {
	return &result.File{
		Schema:      result.Schema,
		Environment: result.Environment{Commit: commit, Flags: []string{"--against=HEAD~1"}},
		Cells:       measured,
	}
}

func TestSession(t *testing.T) {
	memory := key(cells.Call)
	memory.Mode, memory.Part = cells.Cold, cells.Memory
	load := key(cells.Call)
	load.Mode, load.LoadPercent = cells.Load, 50
	s, counted := twoBuilds(t, "100", "110", key(cells.Call), memory, load)
	base, head, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(counted)
	if err != nil {
		t.Fatal(err)
	}
	for level, measured := range map[string][]result.Cell{"100": base, "110": head} {
		if n := strings.Count(string(log), level+"\n"); n != compare.Starts {
			t.Errorf("the build of %s ns was started %d times, want %d", level, n, compare.Starts)
		}
		for i, unit := range []string{cells.UnitNanoseconds, cells.UnitBytes, cells.UnitNanoseconds} {
			// The number is rounded up to a multiple of the starts.
			if cell := measured[i]; len(cell.Samples) != 2*compare.Starts || cell.Unit != unit {
				t.Errorf("%s: %d samples in %s, want %d in %s", cell.Key, len(cell.Samples), cell.Unit, 2*compare.Starts, unit)
			}
		}
	}
	c, err := compare.Files(ofSession("a", base), ofSession("b", head), 0.05)
	if err != nil {
		t.Fatal(err)
	}
	for _, cell := range c.Cells {
		if cell.Verdict != compare.Worse || cell.Change < 0.09 || cell.Change > 0.11 {
			t.Errorf("%s is %s by %v, want worse by a tenth", cell.Key, cell.Verdict, cell.Change)
		}
	}
}

func TestSessionWithOldBuild(t *testing.T) {
	s, _ := twoBuilds(t, "old", "110", key(cells.Call))
	if _, _, err := s.Run(t.Context()); !errors.Is(err, remote.ErrProtocol) || !strings.Contains(err.Error(), "base") {
		t.Errorf("got %v, want ErrProtocol that names base", err)
	}
}

func TestSessionThatIsCut(t *testing.T) {
	s, _ := twoBuilds(t, "100", "110", key(cells.Call))
	ctx, cancel := context.WithCancel(t.Context())
	s.Spec.Progress = func(p result.Progress) {
		if p.Round == compare.Starts+1 {
			cancel()
		}
	}
	base, _, err := s.Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
	if len(base) != 1 || len(base[0].Samples) != compare.Starts {
		t.Errorf("got %+v, want the samples of %d rounds", base, compare.Starts)
	}
}
