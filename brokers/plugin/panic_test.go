package plugin

import (
	"context"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/extension/extensiontest"
	sdk "github.com/airhost/airhost/plugin"
)

// panics is a broker that panics in Open, or when a component subscribes.
type panics struct {
	sdk.Broker
	in string
}

func (p panics) Open(ctx context.Context, host string, arrived func([]byte) error) error {
	if p.in == "open" {
		panic("boom")
	}
	return p.Broker.Open(ctx, host, arrived)
}

func (p panics) Subscribe(topic string) error {
	if strings.HasPrefix(topic, "component/") {
		panic("boom")
	}
	return p.Broker.Subscribe(topic)
}

// TestPanicIsTold: the log has the reason for the end of a broker's process, in one
// record of level ERROR with the stack.
func TestPanicIsTold(t *testing.T) {
	log := extensiontest.NewErrorLog()
	b := child(t, "panics", Config{Logger: log.Logger(), Restart: core.Restart{Policy: core.RestartTemporary}})
	check(t, b.Open(within(t), newOrigin()))
	check(t, b.Attach(core.MustComponentID("test/a"), nobody{}))
	log.WaitForPanic(t, "panic_test.go")
	check(t, b.Close(within(t)))
}

type nobody struct{}

func (nobody) Deliver(*core.Message) error { return nil }

// TestPanicAtTheStart: the error of Start has the reason too.
func TestPanicAtTheStart(t *testing.T) {
	log := extensiontest.NewErrorLog()
	b := child(t, "refuses", Config{Logger: log.Logger()})
	if err := b.Open(within(t), newOrigin()); err == nil || !strings.Contains(err.Error(), "exit status 2: panic: boom") {
		t.Errorf("got %v, want the panic", err)
	}
	log.WaitForPanic(t, "panic_test.go")
}
