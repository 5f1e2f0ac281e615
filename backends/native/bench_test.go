package native

import (
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

type sender struct{ to string }

func (s *sender) HandleMessage(host guest.Host, from string, message []byte) ([]byte, error) {
	return nil, host.Send(s.to, message)
}

type sink struct{ core.Services }

func (sink) SendMessage(target, message []byte) error { return nil }

func BenchmarkHandleMessage(b *testing.B) {
	e, _ := New(Config{})
	c, err := e.Compile(b.Context(), Source(func() guest.Component { return &sender{"bench/b"} }), core.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	id := core.MustComponentID("bench/a")
	i, err := c.Instantiate(b.Context(), core.Environment{ID: id, Host: sink{}})
	if err != nil {
		b.Fatal(err)
	}
	message := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		if err := i.HandleMessage(id, message, nil); err != nil {
			b.Fatal(err)
		}
	}
}
