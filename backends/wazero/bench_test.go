package wazero_test

import (
	"context"
	"errors"
	"testing"

	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/enginetest"
)

// sink accepts every message.
type sink struct{ core.Services }

func (sink) SendMessage(_, _ []byte) error { return nil }

var self = core.MustComponentID("bench/guest")

// open returns an instance of the suite's guest.
func open(tb testing.TB, config wazero.Config, limits core.Limits) core.Instance {
	return openWith(tb, config, core.Environment{ID: self, Host: sink{}, Limits: limits})
}

func openWith(tb testing.TB, config wazero.Config, env core.Environment) core.Instance {
	tb.Helper()
	e, err := wazero.New(config)
	must(tb, err)
	c, err := e.Compile(tb.Context(), enginetest.ActorWasm(), env.Limits)
	must(tb, err)
	in, err := c.Instantiate(tb.Context(), env)
	must(tb, err)
	tb.Cleanup(func() {
		ctx := context.Background() // tb's own context has ended then
		must(tb, errors.Join(in.Close(), c.Close(ctx), e.Close(ctx)))
	})
	return in
}

// padded returns a message of 64 bytes.
func padded(text string) []byte { return append([]byte(text), make([]byte, 64-len(text))...) }

// sends is a message that makes the guest send.
var sends = padded("s\x0ebench/neighbor")

func BenchmarkHandleMessage(b *testing.B) {
	in := open(b, wazero.Config{}, core.Limits{})
	message, response := padded("e"), make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		response = response[:0]
		if err := in.HandleMessage(self, message, &response); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandleMessageFuel(b *testing.B) {
	in := open(b, wazero.Config{}, core.Limits{Fuel: 1 << 30})
	message := padded("e")
	for b.Loop() {
		if err := in.HandleMessage(self, message, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandleMessageThatSends(b *testing.B) {
	in := open(b, wazero.Config{}, core.Limits{})
	b.ReportAllocs()
	for b.Loop() {
		if err := in.HandleMessage(self, sends, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandleMessageThatSendsByCredit(b *testing.B) {
	l := core.NewLedger(func() *[]byte { return nil })
	credit := &core.Credit{Target: "bench/neighbor", Messages: true, MaxSize: 64}
	in := openWith(b, wazero.Config{}, core.Environment{ID: self, Host: sink{}, Ledger: l})
	sent := 0
	b.ReportAllocs()
	for b.Loop() {
		l.Sides[0].Credit = credit
		if err := in.HandleMessage(self, sends, nil); err != nil {
			b.Fatal(err)
		}
		if l.Open.Kind == core.TransferMessage {
			sent++
		}
		l.Open.Kind = core.TransferNone
	}
	if sent != b.N-1 { // the guest gets its credit when it comes a second time
		b.Errorf("%d of %d messages were sent by the credit", sent, b.N)
	}
}

func BenchmarkInstantiate(b *testing.B) {
	e, err := wazero.New(wazero.Config{})
	must(b, err)
	c := compile(b, e)
	b.ReportAllocs()
	for b.Loop() {
		in, err := c.Instantiate(b.Context(), core.Environment{ID: self, Host: sink{}})
		must(b, err)
		must(b, in.Close())
	}
	must(b, c.Close(b.Context()))
	must(b, e.Close(b.Context()))
}
