package extensions_test

import (
	"log/slog"
	"testing"
	"time"

	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"
	"go.uber.org/goleak"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/brokertest"
	"github.com/airhost/airhost/internal/bench/measure/extensions"
)

func TestMain(m *testing.M) {
	if extensions.Serve() {
		return
	}
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.DiscardHandler)

func TestBroker(t *testing.T) {
	brokertest.Run(t, brokertest.Harness{
		New: func() (broker core.Broker, err error) {
			err = fx.New(fx.NopLogger, extensions.Broker(quiet), fx.Invoke(fx.Annotate(func(all []core.Broker) { broker = all[0] }, fx.ParamTags(`group:"brokers"`)))).Err()
			return broker, err
		},
		Late: true,
	})
}

func TestTracker(t *testing.T) {
	var tracker core.Tracker
	app := fxtest.New(t, extensions.Tracker(quiet), fx.Invoke(fx.Annotate(func(all []core.Tracker) { tracker = all[0] }, fx.ParamTags(`group:"trackers"`)))).RequireStart()
	defer app.RequireStop()
	w := make(waiter, 1)
	id, err := tracker.Register(w, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if got := <-w; got != id {
		t.Errorf("request %d expired, want %d", got, id)
	}
}

type waiter chan core.RequestID

func (w waiter) Expired(id core.RequestID, _ *core.RequestError) { w <- id }
