package nats_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/guest"
)

// BenchmarkRequest measures one request after the other between two clients of a server, without
// airhost, and between two hosts. Server and clients are in one process.
func BenchmarkRequest(b *testing.B) {
	url := serve(b, nil).ClientURL()
	payload := make([]byte, 64)
	b.Run("nats", func(b *testing.B) {
		from, to := dial(b, url), dial(b, url)
		_, err := to.Subscribe("x.y", func(in *natsgo.Msg) { _ = in.Respond(in.Data) })
		check(b, err)
		check(b, to.Flush())
		for b.Loop() {
			if _, err := from.Request("x.y", payload, time.Minute); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("airhost", func(b *testing.B) {
		from, to := join(b, url, "from"), join(b, url, "to")
		to.deploy(b, "a/echo", component(echo), nil)
		ctx := context.Background()
		for b.Loop() {
			if _, err := from.Request(ctx, echoID, payload); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSend measures fire-and-forget messages from one client of a server to another one,
// without airhost, and between components of two hosts.
func BenchmarkSend(b *testing.B) {
	url := serve(b, nil).ClientURL()
	payload := make([]byte, 64)
	b.Run("nats", func(b *testing.B) {
		from, to := dial(b, url), dial(b, url)
		var got atomic.Int64
		s, err := to.Subscribe("x.y", func(*natsgo.Msg) { got.Add(1) })
		check(b, err)
		check(b, s.SetPendingLimits(-1, -1))
		check(b, to.Flush())
		n := int64(0)
		for b.Loop() {
			check(b, from.Publish("x.y", payload))
			for n++; n-got.Load() > 8192; {
				<-time.After(10 * time.Microsecond) // as a window does
			}
		}
		check(b, from.Flush())
		wait(b, &got, n)
	})
	b.Run("airhost", func(b *testing.B) {
		from, to := join(b, url, "from"), join(b, url, "to")
		var got atomic.Int64
		to.deploy(b, "a/sink", component(func(guest.Host, []byte) ([]byte, error) { got.Add(1); return nil, nil }), nil)
		n := int64(0)
		sender := component(func(h guest.Host, m []byte) ([]byte, error) {
			for range b.N {
				err := h.Send("a/sink", payload)
				for ; errors.Is(err, guest.ErrQueueFull); err = h.Send("a/sink", payload) {
					<-time.After(10 * time.Microsecond)
				}
				if err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		from.deploy(b, "b/sender", sender, nil)
		n = int64(b.N)
		b.ResetTimer()
		_, err := from.Request(context.Background(), core.MustComponentID("b/sender"), nil)
		check(b, err)
		wait(b, &got, n)
	})
}

func dial(b testing.TB, url string) *natsgo.Conn {
	c, err := natsgo.Connect(url)
	check(b, err)
	b.Cleanup(c.Close)
	return c
}

func wait(b *testing.B, got *atomic.Int64, n int64) {
	for got.Load() < n {
		<-time.After(10 * time.Microsecond)
	}
	b.StopTimer()
}
