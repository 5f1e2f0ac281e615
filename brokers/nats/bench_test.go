package nats_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
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
		from.sendAll(b, "a/sink", payload, &got)
	})
}

// sendAll measures b.N messages of a component of a host to a target, until the target has got all.
func (m *member) sendAll(b *testing.B, target string, payload []byte, got *atomic.Int64) {
	m.deploy(b, sender.String(), component(func(h guest.Host, _ []byte) ([]byte, error) {
		for range b.N {
			err := h.Send(target, payload)
			for ; errors.Is(err, guest.ErrQueueFull); err = h.Send(target, payload) {
				<-time.After(10 * time.Microsecond)
			}
			if err != nil {
				return nil, err
			}
		}
		return nil, nil
	}), nil)
	b.ResetTimer()
	_, err := m.Request(context.Background(), sender, nil)
	check(b, err)
	wait(b, got, int64(b.N))
}

// BenchmarkDurable measures messages that JetStream keeps in files until they are acknowledged: from one
// client to a pull consumer of another one, without airhost, and from a component to one of another host
// with a durable mailbox. By default the server forces its files to the disk now and then; with "always"
// it does before each answer.
func BenchmarkDurable(b *testing.B) {
	for _, sync := range []string{"default", "always"} {
		b.Run(sync, func(b *testing.B) {
			s := store(b, b.TempDir(), func(o *server.Options) { o.SyncAlways = sync == "always" })
			payload := make([]byte, 64)
			b.Run("nats", func(b *testing.B) { bareDurable(b, s.ClientURL(), payload) })
			b.Run("airhost", func(b *testing.B) {
				from, to := join(b, s.ClientURL(), "from"), join(b, s.ClientURL(), "to")
				var got atomic.Int64
				to.deployMail(b, mailID.String(), component(func(guest.Host, []byte) ([]byte, error) { got.Add(1); return nil, nil }))
				from.knows(b, mailID)
				from.sendAll(b, mailID.String(), payload, &got)
			})
		})
	}
}

// bareDurable measures b.N messages to a pull consumer that acknowledges each.
func bareDurable(b *testing.B, url string, payload []byte) {
	from, err := jetstream.New(dial(b, url), jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *natsgo.Msg, err error) { b.Error(err) }))
	check(b, err)
	to, err := jetstream.New(dial(b, url))
	check(b, err)
	ctx := context.Background()
	stream, err := to.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "x", Subjects: []string{"x.>"}, Retention: jetstream.WorkQueuePolicy})
	check(b, err)
	consumer, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{Durable: "y", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 4096})
	check(b, err)
	var got atomic.Int64
	pull, err := consumer.Consume(func(in jetstream.Msg) {
		if err := in.Ack(); err != nil {
			b.Error(err)
		}
		got.Add(1)
	})
	check(b, err)
	defer pull.Stop()
	b.ResetTimer()
	for n := range int64(b.N) {
		for n-got.Load() >= 4096 { // as many as airhost has under way
			<-time.After(10 * time.Microsecond)
		}
		_, err := from.PublishAsync("x.y", payload)
		check(b, err)
	}
	wait(b, &got, int64(b.N))
}

// BenchmarkPublish measures publications to one subscriber of another client of a server, without airhost,
// and between components of two hosts.
func BenchmarkPublish(b *testing.B) {
	s := serve(b, nil)
	url, payload := s.ClientURL(), make([]byte, 64)
	b.Run("nats", func(b *testing.B) {
		from, to := dial(b, url), dial(b, url)
		var got atomic.Int64
		at, err := to.Subscribe("x.>", func(*natsgo.Msg) { got.Add(1) })
		check(b, err)
		check(b, at.SetPendingLimits(-1, -1))
		check(b, to.Flush())
		n := int64(0)
		for b.Loop() {
			check(b, from.Publish("x.y", payload))
			for n++; n-got.Load() > 4096; {
				<-time.After(10 * time.Microsecond)
			}
		}
		check(b, from.Flush())
		wait(b, &got, n)
	})
	b.Run("airhost", func(b *testing.B) {
		from, to := join(b, url, "from"), join(b, url, "to")
		var got atomic.Int64
		to.deploy(b, "a/sink", component(func(guest.Host, []byte) ([]byte, error) { got.Add(1); return nil, nil }), func(d *host.Deployment) {
			d.Subscribe = []host.Subscription{{Topic: core.MustTopicPattern("x.>")}}
			d.Limits.Mailbox = 1 << 14
		})
		heard(b, s, "x.y", 1)
		n := int64(b.N)
		publisher := component(func(h guest.Host, _ []byte) ([]byte, error) {
			for i := range n {
				for i-got.Load() > 4096 { // nothing else bounds the publications under way
					<-time.After(10 * time.Microsecond)
				}
				if err := h.Publish("x.y", payload); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		from.deploy(b, "b/publisher", publisher, func(d *host.Deployment) { d.Capabilities.Publish = []core.TopicPattern{core.MustTopicPattern("x.*")} })
		b.ResetTimer()
		_, err := from.Request(context.Background(), core.MustComponentID("b/publisher"), nil)
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
