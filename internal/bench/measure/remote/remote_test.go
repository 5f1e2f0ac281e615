package remote_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"go.uber.org/goleak"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/remote"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// role makes the test binary a program of this kind that serves cells.
const role = "AIRHOST_REMOTE_TEST"

func TestMain(m *testing.M) {
	switch kind := os.Getenv(role); kind {
	case "":
		goleak.VerifyTestMain(m)
	case "serve":
		server := remote.Server{Offers: []remote.Offer{{Key: key("time")}, {Key: key("none"), Reason: "not today"}}, Open: open}
		if err := server.Main(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		fmt.Println(kind)
	}
}

// key names a subject of the program by its part.
func key(part string) cells.Key {
	return cells.Key{Engine: "served", Pattern: cells.Call, PayloadBytes: 64, Mode: cells.Latency, Part: part}
}

// served claims a microsecond for each operation.
type served struct {
	floor bool
	done  int
}

func (s *served) Name() string { return fmt.Sprintf("served, floor %v", s.floor) }

func (s *served) Run(_ context.Context, n int) (time.Duration, error) {
	s.done += n
	return time.Duration(n) * time.Microsecond, nil
}

var errMiscounted = errors.New("miscounted")

func (s *served) Verify(_ context.Context, n int) error {
	if s.done != n {
		return errMiscounted
	}
	s.done = 0
	return nil
}

func (s *served) Close() error { return nil }

type valued struct{ served }

func (*valued) Value() float64 { return 42.5 }

type paced struct{ served }

func (*paced) Tails() sampling.Tails {
	latency := hdrhistogram.New(1, 1e9, 3)
	_ = latency.RecordValues(100, 990)
	_ = latency.RecordValues(5000, 10)
	return sampling.Tails{Latency: latency, PerSecond: 1e6, Late: 3}
}

// endless runs until its context ends.
type endless struct{ served }

func (*endless) Run(ctx context.Context, _ int) (time.Duration, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func open(_ context.Context, k cells.Key, floor bool) (remote.Subject, error) {
	switch k.Part {
	case "time":
		return &served{floor: floor}, nil
	case "gauge":
		return &valued{}, nil
	case "paced":
		return &paced{}, nil
	case "endless":
		return &endless{}, nil
	case "absent":
		return nil, &cells.LeftOutError{Reason: "it is absent"}
	case "fatal":
		os.Exit(3)
	}
	return nil, errors.New("there is no such part")
}

func command(t *testing.T, kind string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), role+"="+kind, "GORACE=atexit_sleep_ms=0")
	return c
}

func start(t *testing.T) *remote.Program {
	t.Helper()
	p, err := remote.Start(t.Context(), "program", command(t, "serve"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func openPart(t *testing.T, p *remote.Program, part string, floor bool) remote.Subject {
	t.Helper()
	s, err := p.Open(t.Context(), key(part), floor)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSubjects(t *testing.T) {
	p := start(t)
	cell, floor := openPart(t, p, "time", false), openPart(t, p, "time", true)
	for _, s := range []remote.Subject{cell, floor} {
		elapsed, err := s.Run(t.Context(), 1000)
		if err != nil || elapsed != time.Millisecond {
			t.Errorf("%s: 1000 operations: got %v, %v; want the program's millisecond", s.Name(), elapsed, err)
		}
		if err := s.Verify(t.Context(), 1000); err != nil {
			t.Error(err)
		}
		if _, ok := s.(sampling.Valued); ok {
			t.Errorf("%s is a valued", s.Name())
		}
	}
	if cell.Name() == floor.Name() {
		t.Errorf("cell and floor are both %q", cell.Name())
	}
	if err := cell.Close(); err != nil {
		t.Error(err)
	}
	if _, err := cell.Run(t.Context(), 1); err == nil {
		t.Error("a subject that was closed runs")
	}
	if err := floor.Verify(t.Context(), 7); err == nil || !strings.Contains(err.Error(), errMiscounted.Error()) {
		t.Errorf("a subject that did not do what it claims: got %v, want what Verify returned", err)
	}
}

func TestOtherSamplesThanTime(t *testing.T) {
	p := start(t)
	g := openPart(t, p, "gauge", false)
	if _, err := g.Run(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if value := g.(sampling.Valued).Value(); value != 42.5 {
		t.Errorf("a valued: got %v, want 42.5", value)
	}
	paced := openPart(t, p, "paced", false)
	if _, err := paced.Run(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	tails := paced.(sampling.Paced).Tails()
	if tails.PerSecond != 1e6 || tails.Late != 3 || tails.Latency.TotalCount() != 1000 {
		t.Errorf("a paced subject: got %+v", tails)
	}
	if p999 := tails.Latency.ValueAtPercentile(99.9); p999 < 4990 || p999 > 5010 {
		t.Errorf("its 99.9th percentile is %d, want 5000", p999)
	}
}

func TestProcess(t *testing.T) {
	p := start(t)
	process := openPart(t, p, "time", false).(sampling.OutOfProcess).Process()
	if err := process.Collect(t.Context()); err != nil {
		t.Error(err)
	}
	if objects, bytes, err := process.Allocated(t.Context()); err != nil || objects == 0 || bytes == 0 {
		t.Errorf("allocated: got %d objects, %d bytes, %v; want some", objects, bytes, err)
	}
	if waited, err := process.Waited(t.Context()); err != nil || waited < 0 {
		t.Errorf("waited: got %v, %v", waited, err)
	}
}

func TestOffers(t *testing.T) {
	offers, err := start(t).Offers(t.Context())
	if err != nil || len(offers) != 2 || offers[0].Key != key("time") || offers[1].Reason != "not today" {
		t.Errorf("got %+v, %v; want the two offers", offers, err)
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	p := start(t)
	var leftOut *cells.LeftOutError
	if _, err := p.Open(t.Context(), key("absent"), false); !errors.As(err, &leftOut) || leftOut.Reason != "it is absent" {
		t.Errorf("a cell that cannot be measured: got %v, want a LeftOutError with its reason", err)
	}
	var failed *remote.Error
	if _, err := p.Open(t.Context(), key("unheard-of"), false); !errors.As(err, &failed) {
		t.Errorf("a cell that fails: got %v, want an Error", err)
	}
	openPart(t, p, "time", false) // the program goes on
}

func TestInterrupt(t *testing.T) {
	p := start(t)
	s := openPart(t, p, "endless", false)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Run(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	if _, err := s.Run(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the context's end: got %v, want its error", err)
	}
	openPart(t, p, "time", false) // the program goes on
}

func TestDedicated(t *testing.T) {
	s, err := remote.Dedicated(t.Context(), "program", command(t, "serve"), key("time"), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Run(t.Context(), 1); !errors.Is(err, remote.ErrProtocol) {
		t.Errorf("after the end of its process: got %v, want ErrProtocol", err)
	}
	var leftOut *cells.LeftOutError
	if _, err := remote.Dedicated(t.Context(), "program", command(t, "serve"), key("absent"), false); !errors.As(err, &leftOut) {
		t.Errorf("got %v, want a LeftOutError", err)
	}
}

func TestOtherPrograms(t *testing.T) {
	for _, says := range []string{"hello", `{"protocol": 2}`, " "} {
		if _, err := remote.Start(t.Context(), "program", command(t, says)); !errors.Is(err, remote.ErrProtocol) {
			t.Errorf("a program that says %q: got %v, want ErrProtocol", says, err)
		}
	}
	missing := exec.Command("/nowhere/to/be/found")
	if _, err := remote.Start(t.Context(), "program", missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no program: got %v, want ErrNotExist", err)
	}
}

func TestProgramThatEnds(t *testing.T) {
	p, err := remote.Start(t.Context(), "program", command(t, "serve"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Open(t.Context(), key("fatal"), false); !errors.Is(err, remote.ErrProtocol) {
		t.Errorf("got %v, want ErrProtocol", err)
	}
	var exit *exec.ExitError
	if err := p.Close(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("closing it: got %v, want its exit code, 3", err)
	}
}
