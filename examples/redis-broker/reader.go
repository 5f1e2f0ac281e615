package main

import (
	"context"
	"errors"
	"log"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// readCount is the largest number of messages that one command reads of a stream.
	readCount = 256
	// pause is the time between two attempts to reach Redis.
	pause = 200 * time.Millisecond
)

// reader reads the streams of a host's topics. Its fields, but for the channels, belong
// to its goroutine.
type reader struct {
	*broker
	ctx    context.Context // ends when the reader must stop at once
	cancel context.CancelFunc
	orders chan func(*reader) // has room for one order: its sender then interrupts the reader
	ended  chan struct{}

	topics  map[string]bool // by topic: whether its stream is known to exist
	renewed time.Time       // the last time when the streams were kept alive
	away    bool            // the last command could not reach Redis
	last    bool            // the reader has left all topics
}

func startReader(b *broker) *reader {
	r := &reader{broker: b, orders: make(chan func(*reader), 1), ended: make(chan struct{}), topics: make(map[string]bool)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	go r.run()
	return r
}

// stop waits until the reader has ended. When ctx ends, it stops the reader at once.
func (r *reader) stop(ctx context.Context) error {
	defer r.cancel()
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *reader) run() {
	defer close(r.ended)
	for !r.last && r.ctx.Err() == nil {
		if !r.obey() {
			r.note(errors.Join(r.prepare(), r.read(blockTime)))
		}
	}
}

// obey runs one order and returns true, or returns false if there is none. It waits for
// an order if there is no stream to read.
func (r *reader) obey() bool {
	// An order goes first: its sender has interrupted one read.
	select {
	case order := <-r.orders:
		order(r)
		return true
	default:
	}
	wait := pause
	if len(r.topics) == 0 {
		wait = time.Hour
	} else if !r.away {
		return false
	}
	select {
	case order := <-r.orders:
		order(r)
		return true
	case <-r.ctx.Done():
	case <-time.After(wait):
	}
	return false
}

// prepare makes missing streams and keeps all streams alive.
func (r *reader) prepare() error {
	for topic, exists := range r.topics {
		if !exists {
			if err := r.make(topic); err != nil {
				return err
			}
		}
	}
	if time.Since(r.renewed) < r.keep/4 {
		return nil
	}
	pipeline := r.client.Pipeline()
	for topic := range r.topics {
		pipeline.PExpire(r.ctx, r.stream(topic), r.keep)
	}
	_, err := pipeline.Exec(r.ctx)
	if err == nil {
		r.renewed = time.Now()
	}
	return err
}

// note logs that Redis cannot be reached, or is back.
func (r *reader) note(err error) {
	switch {
	case err == nil && r.away:
		log.Print("Redis is back")
	case err != nil && !r.away && r.ctx.Err() == nil:
		log.Print("Redis: ", err)
	}
	r.away = err != nil
	if r.away { // Redis may have lost all streams
		for topic := range r.topics {
			r.topics[topic] = false
		}
	}
}

// join starts to read a topic.
func (r *reader) join(topic string) {
	r.topics[topic] = false
	if err := r.make(topic); err != nil {
		r.note(err)
	}
}

// make makes a topic's stream if it is missing, and this host a consumer of it.
func (r *reader) make(topic string) error {
	stream := r.stream(topic)
	err := r.client.XGroupCreateMkStream(r.ctx, stream, group, "0").Err()
	if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return err
	}
	pipeline := r.client.Pipeline()
	pipeline.XGroupCreateConsumer(r.ctx, stream, group, r.host)
	pipeline.PExpire(r.ctx, stream, r.keep)
	_, err = pipeline.Exec(r.ctx)
	r.topics[topic] = err == nil
	return err
}

// part removes a consumer from a stream. With the last consumer it removes the stream,
// unless the stream has unread messages.
const part = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 'gone' end
local consumers = redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if #consumers > 1 then
	redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
	return 'left'
end
if redis.call('XLEN', KEYS[1]) > 0 and ARGV[3] == 'unread' then return 'more' end
redis.call('DEL', KEYS[1])
return 'gone'`

// leave stops reading a topic. If no other host reads the stream, leave hands over the
// messages that are left, and the host refuses them.
func (r *reader) leave(topic string) {
	defer delete(r.topics, topic)
	for rest := "unread"; r.topics[topic]; {
		how, err := r.client.Eval(r.ctx, part, []string{r.stream(topic)}, group, r.host, rest).Text()
		if err == nil && how != "more" {
			return
		}
		n := 0
		if err == nil {
			n, err = r.readFrom([]string{topic}, -1)
		}
		if n == 0 { // a host has read the rest, and died before it removed them
			rest = "read"
		}
		if err != nil {
			r.note(err) // Redis removes the stream after --keep
			return
		}
	}
}

func (r *reader) leaveAll() {
	for topic := range r.topics {
		r.leave(topic)
	}
	r.last = true
}

// read reads the messages of all streams. If there are none, it waits up to block.
func (r *reader) read(block time.Duration) error {
	var topics []string
	for topic, exists := range r.topics {
		if exists {
			topics = append(topics, topic)
		}
	}
	if len(topics) == 0 {
		return nil
	}
	_, err := r.readFrom(topics, block)
	return err
}

// readFrom reads the streams of some topics and returns how many had messages.
func (r *reader) readFrom(topics []string, block time.Duration) (int, error) {
	args := &redis.XReadGroupArgs{Group: group, Consumer: r.host, NoAck: true, Count: readCount, Block: block}
	for _, topic := range topics {
		args.Streams = append(args.Streams, r.stream(topic))
	}
	for range topics {
		args.Streams = append(args.Streams, ">")
	}
	streams, err := r.client.XReadGroup(r.ctx, args).Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if err := r.trim(streams); err != nil {
		log.Print("not removed from its stream, though read: ", err) // the next trim removes it
	}
	return len(streams), r.handOver(streams)
}

// trim removes the messages from their streams, and all before them: a group gets
// messages in their order, so that a host has read those too.
func (r *reader) trim(streams []redis.XStream) error {
	pipeline := r.client.Pipeline()
	for _, s := range streams {
		pipeline.XTrimMinID(r.ctx, s.Stream, following(s.Messages[len(s.Messages)-1].ID))
	}
	_, err := pipeline.Exec(r.ctx)
	return err
}

// following returns the id after an id of the form time-number.
func following(id string) string {
	at, number, _ := strings.Cut(id, "-")
	n, _ := strconv.ParseUint(number, 10, 64)
	return at + "-" + strconv.FormatUint(n+1, 10)
}

// handOver hands over the messages with a deadline in the future, or none.
func (r *reader) handOver(streams []redis.XStream) error {
	now := time.Now().UnixMilli()
	for _, s := range streams {
		for _, m := range s.Messages {
			body, isMessage := m.Values["body"].(string)
			text, _ := m.Values["deadline"].(string)
			deadline, _ := strconv.ParseInt(text, 10, 64)
			if !isMessage || deadline != 0 && deadline < now {
				continue
			}
			if err := r.arrived([]byte(body)); err != nil {
				return err
			}
		}
	}
	return nil
}
