package process_test

import (
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/frame"
	"github.com/airhost/airhost/internal/hosttest"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// maxText is the most memory that a host may use for all texts of a process.
const maxText = 3 << 20

func longResult(trap bool) func(grpc.ServerStream, uint64) error {
	return func(s grpc.ServerStream, call uint64) error {
		text := strings.Repeat("x", 200<<10)
		if trap {
			return send(s, event(call, resultOf(&pluginv1.Result{Trap: &pluginv1.Trap{Text: text, Details: text}})))
		}
		return send(s, event(call, resultOf(&pluginv1.Result{Error: &pluginv1.ComponentError{Case: 2, Text: text}})))
	}
}

// longTexts are the places where a process can send a long text in reply to a
// message.
var longTexts = map[string]func(s grpc.ServerStream, call uint64) error{
	"status": func(grpc.ServerStream, uint64) error {
		return status.Error(codes.Internal, strings.Repeat("x", maxText))
	},
	"status below the limit": func(grpc.ServerStream, uint64) error {
		return status.Error(codes.Internal, strings.Repeat("x", 60<<10))
	},
	"error": longResult(false),
	"trap":  longResult(true),
	"log line": func(s grpc.ServerStream, call uint64) error {
		line := event(call, &pluginv1.Event{Event: &pluginv1.Event_Log{Log: &pluginv1.Log{Level: 2, Text: strings.Repeat("x", 1<<20)}}})
		if err := send(s, line); err != nil {
			return err
		}
		return status.Error(codes.Internal, "short")
	},
	"stderr without an end": func(grpc.ServerStream, uint64) error {
		_, _ = os.NewFile(2, "stderr").WriteString(strings.Repeat("x", maxText))
		os.Exit(3)
		return nil
	},
	"stdout without an end": func(grpc.ServerStream, uint64) error {
		_, _ = os.NewFile(1, "stdout").WriteString(strings.Repeat("x", maxText))
		os.Exit(3)
		return nil
	},
}

// runLong answers each message with tell, and all other calls correctly.
func runLong(stream pluginv1.Component_RunServer, tell func(grpc.ServerStream, uint64) error) error {
	for {
		var f frame.Frame
		if err := stream.RecvMsg(&f); err != nil {
			return err
		}
		for data := f.Bytes; len(data) > 0; {
			var call frame.Call
			var err error
			if data, err = frame.NextCall(data, &call); err != nil {
				return err
			}
			if call.Message {
				err = tell(stream, call.ID)
			} else {
				err = send(stream, frame.AppendResponse(nil, call.ID, nil))
			}
			if err != nil {
				return err
			}
		}
	}
}

// crowd sends many requests to the liar, and blocks their outcomes until release is
// closed.
type crowd struct {
	entered, release chan struct{}
	ended            chan string
}

const crowdSize = 300

func (c crowd) HandleMessage(h guest.Host, _ string, message []byte) ([]byte, error) {
	if len(message) == 0 {
		for range crowdSize {
			if _, err := h.Request("test/liar", []byte("x"), time.Minute); err != nil {
				c.ended <- err.Error()
			}
		}
		close(c.entered)
		<-c.release
	}
	return nil, nil
}

func (c crowd) HandleCallback(_ guest.Host, _ guest.RequestID, _ []byte, failure error) error {
	if failure == nil {
		c.ended <- "answered"
	} else {
		c.ended <- failure.Error()
	}
	return nil
}

func heapInUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func waitUntil(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within a minute")
		}
	}
}

func all(t *testing.T) host.Capabilities {
	t.Helper()
	pattern, err := core.ParseIDPattern("*")
	if err != nil {
		t.Fatal(err)
	}
	return host.Capabilities{Request: []core.IDPattern{pattern}}
}

// TestLongTexts: a host keeps little of a long text in any place, while hundreds of
// requests wait, and the text ends only the process.
func TestLongTexts(t *testing.T) {
	for name := range longTexts {
		t.Run(name, func(t *testing.T) {
			var log hosttest.Log
			r := newHarness(t, slog.New(slog.NewTextHandler(&log, nil)))
			liar := host.Deployment{Source: process.Source(liarCommand(name))}
			liar.Restart.Policy = host.RestartTemporary
			r.deploy(t, core.MustComponentID("test/liar"), liar)
			c := crowd{make(chan struct{}), make(chan struct{}), make(chan string, crowdSize)}
			r.deployOn(t, native.Name, core.MustComponentID("test/crowd"), host.Deployment{
				Source: native.Source(func() guest.Component { return c }),
				Limits: core.Limits{MessageSize: 100}, Quota: host.Quota{Burst: 10_000}, Capabilities: all(t),
			})
			before := heapInUse()
			if err := r.Send(core.MustComponentID("test/crowd"), nil); err != nil {
				t.Fatal(err)
			}
			<-c.entered
			waitUntil(t, func() bool { return r.Snapshot().Pending == 0 })
			if after := heapInUse(); after > before+16<<20 {
				t.Errorf("%d requests have ended, and the heap has grown by %d MiB", crowdSize, (after-before)>>20)
			}
			close(c.release)
			for range crowdSize {
				if text := <-c.ended; len(text) > 100 {
					t.Fatalf("an asker of 100 bytes was told %d", len(text))
				}
			}
			for _, status := range r.Components() {
				if traps := status.Counters.Traps; status.ID.Name() == "crowd" && traps > 0 {
					t.Errorf("the asker has ended %d times", traps)
				}
			}
			for line := range strings.Lines(log.String()) {
				if len(line) > core.MaxErrorText+core.MaxDetails+1000 {
					t.Errorf("a line of the log has %d bytes: %.100s", len(line), line)
				}
			}
		})
	}
}
