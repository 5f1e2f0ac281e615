package extensions

import (
	"context"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/plugin"
)

// loop is a broker with one host. It returns each message to that host.
type loop struct {
	topics  map[string]bool
	arrived func(body []byte) error
}

var _ plugin.Broker = (*loop)(nil)

func newLoop() *loop { return &loop{topics: make(map[string]bool)} }

// Open implements [plugin.Broker].
func (l *loop) Open(_ context.Context, _ string, arrived func([]byte) error) error {
	l.arrived = arrived
	return nil
}

// Subscribe implements [plugin.Broker].
func (l *loop) Subscribe(topic string) error {
	l.topics[topic] = true
	return nil
}

// Unsubscribe implements [plugin.Broker].
func (l *loop) Unsubscribe(topic string) error {
	delete(l.topics, topic)
	return nil
}

// Publish implements [plugin.Broker].
func (l *loop) Publish(_ context.Context, batch []plugin.Message) []error {
	errs := make([]error, len(batch))
	for i, m := range batch {
		switch {
		case !l.topics[m.Topic]:
			errs[i] = core.ErrTargetNotFound
		case l.arrived(m.Body) != nil:
			errs[i] = core.ErrUnavailable
		}
	}
	return errs
}

// Close implements [plugin.Broker].
func (l *loop) Close(context.Context) error { return nil }
