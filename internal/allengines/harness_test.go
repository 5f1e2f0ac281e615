package allengines

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/airhost/airhost/brokers/channel"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/trackers/slab"
	"github.com/airhost/airhost/trackers/timermap"
)

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) != "" {
		servePlugin()
		return
	}
	goleak.VerifyTestMain(m)
}

func newInproc() (core.Broker, error)    { return inproc.New(inproc.Config{}) }
func newChannel() (core.Broker, error)   { return channel.New(channel.Config{}) }
func newSlab() (core.Tracker, error)     { return slab.New(slab.Config{}) }
func newTimermap() (core.Tracker, error) { return timermap.New(timermap.Config{}) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// within returns a context that ends long after any test is done.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func id(text string) core.ComponentID { return core.MustComponentID(text) }

// all grants every target, and every function.
func all() host.Capabilities {
	every := patterns("*")
	return host.Capabilities{Send: every, Request: every, Call: every}
}

func patterns(texts ...string) (granted []core.IDPattern) {
	for _, text := range texts {
		pattern, err := core.ParseIDPattern(text)
		if err != nil {
			panic(err)
		}
		granted = append(granted, pattern)
	}
	return granted
}
