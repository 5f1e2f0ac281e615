package plugin

import (
	"context"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/extension/extensiontest"
	sdk "github.com/airhost/airhost/plugin"
)

// exchange connects brokers within the test's process.
type exchange struct {
	mu     sync.Mutex // guards topics
	topics map[string][]*member
}

// member is a broker of an exchange.
type member struct {
	*exchange
	arrived func([]byte) error
}

func newExchange() *exchange { return &exchange{topics: make(map[string][]*member)} }

// has reports whether a member subscribes to a topic.
func (x *exchange) has(topic string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.topics[topic]) > 0
}

func (x *exchange) broker() sdk.Broker { return &member{exchange: x} }

func (m *member) Open(_ context.Context, _ string, arrived func([]byte) error) error {
	m.arrived = arrived
	return nil
}

func (m *member) Subscribe(topic string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.topics[topic] = append(m.topics[topic], m)
	return nil
}

func (m *member) Unsubscribe(topic string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leave(topic)
	return nil
}

func (m *member) leave(topic string) {
	m.topics[topic] = slices.DeleteFunc(m.topics[topic], func(o *member) bool { return o == m })
}

func (m *member) Publish(_ context.Context, batch []sdk.Message) []error {
	errs := make([]error, len(batch))
	for i, message := range batch {
		if to := m.subscriber(message.Topic); to == nil {
			errs[i] = core.ErrTargetNotFound
		} else if to.arrived(message.Body) != nil {
			errs[i] = core.ErrUnavailable
		}
	}
	return errs
}

// subscriber returns the subscriber of a topic that gets the next message.
func (m *member) subscriber(topic string) *member {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.topics[topic]
	if len(all) == 0 {
		return nil
	}
	first := all[0]
	m.topics[topic] = append(slices.Clone(all[1:]), first)
	return first
}

func (m *member) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic := range m.topics {
		m.leave(topic)
	}
	return nil
}

// member returns a broker for a host, connected to the exchange.
func (x *exchange) member(t testing.TB, config Config) *Broker {
	t.Helper()
	b, err := x.newMember(config)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (x *exchange) newMember(config Config) (*Broker, error) {
	config.Logger = orDiscard(config.Logger)
	return newBroker(config, extensiontest.InMemory(func(s grpc.ServiceRegistrar) { sdk.RegisterBroker(s, x.broker()) }))
}
