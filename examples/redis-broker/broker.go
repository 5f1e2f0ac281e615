package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/plugin"
)

// group is the consumer group of each stream; its consumers are hosts.
const group = "hosts"

// The longest times to wait for a connection, an answer, and messages.
const (
	dialTimeout = 2 * time.Second
	readTimeout = 2 * time.Second
	blockTime   = time.Second
)

// broker is a [plugin.Broker].
type broker struct {
	client *redis.Client
	prefix string
	limit  int
	keep   time.Duration

	host    string
	arrived func([]byte) error
	reader  *reader
}

var _ plugin.Broker = (*broker)(nil)

func newBroker(options *redis.Options, prefix string, limit int, keep time.Duration) *broker {
	options.MaxRetries = -1 // a command that is sent again could publish twice
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = dialTimeout, readTimeout, readTimeout
	options.DialerRetries = 1
	return &broker{client: redis.NewClient(options), prefix: prefix, limit: limit, keep: keep}
}

// stream returns the name of a topic's stream.
func (b *broker) stream(topic string) string { return b.prefix + topic }

// Open implements [plugin.Broker].
func (b *broker) Open(ctx context.Context, host string, arrived func([]byte) error) error {
	if err := b.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("reach Redis at %s: %w", b.client.Options().Addr, err)
	}
	b.host, b.arrived = host, arrived
	b.reader = startReader(b)
	return nil
}

// Subscribe implements [plugin.Broker]. While Redis cannot be reached, the reader
// remembers the topic and subscribes later.
func (b *broker) Subscribe(topic string) error {
	b.do(func(r *reader) { r.join(topic) })
	return nil
}

// Unsubscribe implements [plugin.Broker].
func (b *broker) Unsubscribe(topic string) error {
	b.do(func(r *reader) { r.leave(topic) })
	return nil
}

// do runs a function on the reader's goroutine. The reader may be waiting for messages:
// an empty message on the host's own stream interrupts it.
func (b *broker) do(order func(*reader)) {
	done := make(chan struct{})
	b.reader.orders <- func(r *reader) {
		defer close(done)
		order(r)
	}
	nudge := &redis.XAddArgs{Stream: b.stream("host/" + b.host), NoMkStream: true, Values: []string{"nudge", ""}}
	// If Redis cannot be reached, the reader waits a short time only.
	_ = b.client.XAdd(context.Background(), nudge).Err()
	<-done
}

// publish adds a message to a stream, if a host reads the stream and it has room.
const publish = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 'nobody' end
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[1]) then return 'full' end
redis.call('XADD', KEYS[1], '*', 'body', ARGV[2], 'deadline', ARGV[3])
return 'taken'`

// Publish implements [plugin.Broker]: it sends the batch as one pipeline.
func (b *broker) Publish(ctx context.Context, batch []plugin.Message) []error {
	pipeline := b.client.Pipeline()
	results := make([]*redis.Cmd, len(batch))
	for i, m := range batch {
		results[i] = pipeline.Eval(ctx, publish, []string{b.stream(m.Topic)}, b.limit, m.Body, deadline(m))
	}
	_, _ = pipeline.Exec(ctx) // each result has its own error
	errs := make([]error, len(batch))
	for i, result := range results {
		errs[i] = refusal(result, batch[i].Topic)
	}
	return errs
}

// deadline returns a message's deadline in milliseconds since the Unix epoch, or 0 if it
// has none.
func deadline(m plugin.Message) int64 {
	if m.Deadline.IsZero() {
		return 0
	}
	return m.Deadline.UnixMilli()
}

func refusal(result *redis.Cmd, topic string) error {
	switch word, err := result.Text(); {
	case err != nil:
		return &core.MessagingError{Case: core.CaseUnavailable, Text: "Redis: " + err.Error()}
	case word == "nobody":
		return &core.MessagingError{Case: core.CaseTargetNotFound, Text: topic}
	case word == "full":
		return &core.MessagingError{Case: core.CaseQueueFull, Text: topic}
	}
	return nil
}

// Close implements [plugin.Broker].
func (b *broker) Close(ctx context.Context) error {
	var err error
	if b.reader != nil {
		b.do((*reader).leaveAll)
		err = b.reader.stop(ctx)
	}
	return errors.Join(err, b.client.Close())
}
