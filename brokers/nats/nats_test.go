package nats_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/brokertest"
	"github.com/airhost/airhost/internal/natstest"
)

func TestMain(m *testing.M) {
	if folder, port, is := strings.Cut(os.Getenv(storeVariable), " "); is {
		serveAsProcess(folder, port)
		return
	}
	goleak.VerifyTestMain(m)
}

// serve runs a NATS server until the test ends.
func serve(t testing.TB, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{MaxPayload: 8 << 20}
	if change != nil {
		change(o)
	}
	return natstest.Serve(t, o)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func broker(url, host string) (*nats.Broker, error) {
	return nats.New(nats.Config{URL: url, Host: host, Lease: nats.MinLease, Logger: slog.New(slog.DiscardHandler)})
}

// TestWithinAHost: components of one host.
func TestWithinAHost(t *testing.T) {
	url := serve(t, nil).ClientURL()
	brokertest.Run(t, brokertest.Harness{New: func() (core.Broker, error) { return broker(url, "one") }, Direct: true, Late: true})
}

// pair is two hosts as one broker: messages go from the one to the components of the other.
type pair struct{ from, to *nats.Broker }

func (p pair) Open(ctx context.Context, home core.Origin) error {
	return errors.Join(p.from.Open(ctx, home), p.to.Open(ctx, home))
}
func (p pair) Attach(id core.ComponentID, r core.Receiver) error    { return p.to.Attach(id, r) }
func (p pair) Detach(id core.ComponentID)                           { p.to.Detach(id) }
func (p pair) Route(target core.ComponentID) (core.Receiver, error) { return p.from.Route(target) }
func (p pair) Close(ctx context.Context) error {
	return errors.Join(p.from.Close(ctx), p.to.Close(ctx))
}

// TestAcrossHosts: components of another host.
func TestAcrossHosts(t *testing.T) {
	url := serve(t, nil).ClientURL()
	brokertest.Run(t, brokertest.Harness{Late: true, New: func() (core.Broker, error) {
		from, err := broker(url, "from")
		if err != nil {
			return nil, err
		}
		to, err := broker(url, "to")
		return pair{from, to}, err
	}})
}

// TestTopics: publications go to other hosts.
func TestTopics(t *testing.T) {
	url := serve(t, nil).ClientURL()
	clusters := 0
	brokertest.Run(t, brokertest.Harness{
		New:    func() (core.Broker, error) { return broker(url, "one") },
		Direct: true, Late: true,
		Cluster: func(hosts int) (all []core.Broker, err error) {
			clusters++
			for i := range hosts {
				b, err := nats.New(nats.Config{URL: url, Cluster: fmt.Sprint("c", clusters), Host: fmt.Sprint("h", i), Lease: nats.MinLease, Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					return nil, err
				}
				all = append(all, b)
			}
			return all, nil
		},
	})
}
