package microbench_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"testing"

	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/guests"
	"github.com/airhost/airhost/internal/bench/measure/microbench"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
	"github.com/airhost/airhost/trackers/slab"
	"github.com/airhost/airhost/trackers/timermap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func nativeParts() microbench.Parts {
	return microbench.Parts{
		Engine: airhostfx.Engine(native.New), EngineName: native.Name, Broker: airhostfx.Broker(inproc.New), Tracker: airhostfx.Tracker(slab.New),
		Guest: func(pattern cells.Pattern) core.Source {
			if pattern == cells.RequestResponse {
				return native.Source(guests.NewRoundTrip)
			}
			return native.Source(guests.NewPingPong)
		},
		Logger: slog.New(slog.DiscardHandler),
	}
}

func wazeroParts() microbench.Parts {
	parts := nativeParts()
	parts.Engine, parts.EngineName = airhostfx.Engine(wazero.New), wazero.Name
	parts.Broker, parts.Tracker = airhostfx.Broker(channel.New), airhostfx.Tracker(timermap.New)
	parts.Cached = func(dir string) fx.Option {
		return fx.Options(fx.Supply(wazero.Config{CacheDir: dir}), airhostfx.Engine(wazero.New))
	}
	parts.Guest = func(pattern cells.Pattern) core.Source {
		if pattern == cells.RequestResponse {
			return core.Source{Code: guests.RoundTrip}
		}
		return core.Source{Code: guests.PingPong}
	}
	return parts
}

func open(t *testing.T, key cells.Key, parts microbench.Parts) microbench.Subject {
	t.Helper()
	s, err := microbench.New(t.Context(), key, parts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// stages returns all measurements for the parts of the patterns.
func stages() []cells.Key {
	seen := make(map[cells.Key]bool)
	var keys []cells.Key
	for _, pattern := range cells.Patterns() {
		for _, part := range cells.MustFind(cells.Stages).Parts(pattern) {
			for _, term := range cells.Terms(cells.Key{Pattern: pattern, PayloadBytes: 64, Mode: cells.Stages, Part: part.Name}) {
				if term.Key.Part != cells.BaseWhole && !seen[term.Key] {
					seen[term.Key] = true
					keys = append(keys, term.Key)
				}
			}
		}
	}
	return keys
}

func cold() []cells.Key {
	var keys []cells.Key
	for _, part := range cells.MustFind(cells.Cold).Parts(cells.Call) {
		keys = append(keys, cells.Key{Pattern: cells.Call, PayloadBytes: 64, Mode: cells.Cold, Part: part.Name})
	}
	return keys
}

func TestParts(t *testing.T) {
	for name, parts := range map[string]microbench.Parts{"native": nativeParts(), "wazero": wazeroParts()} {
		for _, key := range append(stages(), cold()...) {
			if key.Part == cells.LoadCached && parts.Cached == nil || key.Part == cells.Memory && runtime.GOOS != "linux" {
				continue
			}
			t.Run(name+"/"+string(key.Pattern)+"/"+key.Part, func(t *testing.T) {
				s := open(t, key, parts)
				for _, n := range []int{1, 3, 20} {
					elapsed, err := s.Run(t.Context(), n)
					if err != nil || elapsed <= 0 {
						t.Fatalf("%d operations: got %v, %v", n, elapsed, err)
					}
					if err := s.Verify(t.Context(), n); err != nil {
						t.Errorf("%d operations: %v", n, err)
					}
				}
				if _, isValued := s.(sampling.Valued); isValued != (key.Part == cells.Memory) {
					t.Errorf("it is a valued: %v, want that of memory alone", isValued)
				}
			})
		}
	}
}

// A part that did more, or fewer, operations than it claims is found out.
func TestWrongCountsAreFound(t *testing.T) {
	for _, key := range append(stages(), cold()...) {
		if key.Part == cells.LoadCached || key.Part == cells.Memory {
			continue
		}
		s := open(t, key, nativeParts())
		if _, err := s.Run(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		var count *microbench.CountError
		if err := s.Verify(t.Context(), 6); !errors.As(err, &count) {
			t.Errorf("%s: 5 operations claimed as 6: got %v, want a CountError", key, err)
		}
	}
}

// silent answers nothing.
type silent struct{ guest.Component }

func (silent) HandleMessage(guest.Host, string, []byte) ([]byte, error) { return nil, nil }

func (s silent) Initialize(host guest.Host, config guest.Config) error {
	return s.Component.(guest.Initializer).Initialize(host, config)
}

func TestGuestThatDoesNothingIsFound(t *testing.T) {
	parts := nativeParts()
	parts.Guest = func(cells.Pattern) core.Source {
		return native.Source(func() guest.Component { return silent{guests.NewPingPong()} })
	}
	key := cells.Key{Pattern: cells.Call, PayloadBytes: 64, Mode: cells.Cold, Part: cells.FirstMessage}
	s := open(t, key, parts)
	if _, err := s.Run(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	var count *microbench.CountError
	if err := s.Verify(t.Context(), 2); !errors.As(err, &count) {
		t.Errorf("first messages without an answer: got %v, want a CountError", err)
	}
	key.Mode, key.Part = cells.Stages, cells.BaseSend
	if _, err := microbench.New(t.Context(), key, parts); err == nil {
		t.Error("a guest that does not count: got no error")
	}
}

// Instances that keep 64 KiB each take up as much, and not much more. The race
// detector keeps some times as much for itself.
func TestMemoryIsThatOfInstances(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux says how much memory a process takes up")
	}
	key := cells.Key{Pattern: cells.Call, PayloadBytes: 64, Mode: cells.Cold, Part: cells.Memory}
	parts := nativeParts()
	parts.Guest = func(cells.Pattern) core.Source { return native.Source(newLarge) }
	s := open(t, key, parts)
	if _, err := s.Run(t.Context(), 200); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), 200); err != nil {
		t.Fatal(err)
	}
	if got := s.(sampling.Valued).Value(); got < 0.9*largeSize || got > 8*largeSize {
		t.Errorf("got %.0f B for an instance that keeps %d", got, largeSize)
	}
}

const largeSize = 64 << 10

type large struct {
	guest.Component
	kept []byte
}

func newLarge() guest.Component {
	l := &large{guests.NewPingPong(), make([]byte, largeSize)}
	for i := range l.kept {
		l.kept[i] = byte(i)
	}
	return l
}

func (l *large) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	return l.Component.HandleMessage(host, sender, message)
}

func (l *large) Initialize(host guest.Host, config guest.Config) error {
	return l.Component.(guest.Initializer).Initialize(host, config)
}

func TestWhatCannotBeOpened(t *testing.T) {
	var leftOut *cells.LeftOutError
	key := cells.Key{Engine: "native", Pattern: cells.Call, Mode: cells.Cold, Part: cells.LoadCached}
	if _, err := microbench.New(t.Context(), key, nativeParts()); !errors.As(err, &leftOut) {
		t.Errorf("no compiled code: got %v, want a LeftOutError", err)
	}
	key.Part = "dance"
	if _, err := microbench.New(t.Context(), key, nativeParts()); err == nil {
		t.Error("a part that does not exist: got no error")
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, key := range append(stages(), cold()[0]) {
		s := open(t, key, nativeParts())
		if _, err := s.Run(ctx, 1<<40); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context.Canceled", key, err)
		}
	}
}
