package plugin

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/extension"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// Broker carries messages between hosts by publishing and subscribing. A topic stands
// for a component, on any host, or for a host. The author of a broker implements
// Broker and passes it to [ServeBroker]. A Broker serves one host.
//
// One goroutine calls its methods, one after the other. While a method blocks, the
// host's messages wait, and are refused with queue-full if too many wait. The host
// itself never waits.
//
// Messages of one topic that one host has published arrive in the same order. A
// message arrives at most once: if its delivery is not certain it is lost.
type Broker interface {
	// Open connects to the system behind the broker, before all other calls. host is
	// the name of the host; it differs for each start of each host. arrived takes
	// over the body of a message that has arrived for one of the host's topics. It
	// may be called from any goroutine until Close returns, blocks while the host
	// does not keep up, and fails when the host is gone. An error of Open ends the
	// process; the host logs the error and restarts the process by its restart
	// policy.
	Open(ctx context.Context, host string, arrived func(body []byte) error) error

	// Subscribe makes the messages of a topic arrive at the host from now on. If
	// several hosts subscribe, each message goes to one of them. A topic consists of
	// lower-case ASCII letters, digits, '-', '_', '.' and '/', and has at most 160
	// bytes. An error ends the process, as in Open.
	Subscribe(topic string) error

	// Unsubscribe undoes Subscribe. A message that has been published before may
	// still arrive; the host then refuses it to its sender.
	Unsubscribe(topic string) error

	// Publish publishes a batch of messages. It returns nil if it has accepted all,
	// and otherwise one entry for each message, which is nil for an accepted one. An
	// error should match [core.ErrTargetNotFound] if no host subscribes to the topic,
	// [core.ErrQueueFull], [core.ErrInvalidArgument] or [core.ErrUnavailable]; any
	// other error counts as the last. After Publish the batch is used again, but the
	// bodies are not.
	Publish(ctx context.Context, batch []Message) []error

	// Close ends all subscriptions and the connection. No message arrives after it has
	// returned. ctx ends when the host stops waiting.
	Close(ctx context.Context) error
}

// Message is a message between hosts. Only the hosts know the format of its body.
type Message struct {
	Topic string
	Body  []byte
	// Deadline is the time from which on no one waits for an answer; a broker may
	// drop the message then. It is the zero time if the message has no deadline.
	Deadline time.Time
}

type brokerServer struct {
	pluginv1.UnimplementedBrokerServer
	broker Broker
	only   conversation
}

type brokerStream = grpc.BidiStreamingServer[pluginv1.BrokerOrders, pluginv1.BrokerEvents]

// Connect implements the service. The call lasts as long as the host's connection.
func (s *brokerServer) Connect(stream brokerStream) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if len(first.Orders) == 0 || first.Orders[0].GetHello() == nil {
		return status.Error(codes.InvalidArgument, "the first order is no hello")
	}
	hello := first.Orders[0].GetHello()
	if err := s.only.begin(hello.Version); err != nil {
		return err
	}
	defer s.only.end()
	c := &hostConnection{broker: s.broker, stream: stream}
	c.events.Most = maxWaiting
	return c.serve(stream.Context(), hello.Host, first.Orders[1:])
}

// hostConnection is the connection to the host.
type hostConnection struct {
	broker Broker
	stream brokerStream
	events extension.Batch[event]
	batch  []Message
}

// event is the body of an arrived message, or a receipt.
type event struct {
	arrival []byte
	receipt *pluginv1.Receipt
}

const (
	// maxWaiting is about the size of the events that may wait for the host.
	maxWaiting = 4 << 20
	// eventSize is added to the size of an event's body.
	eventSize = 64
	// frameBytes is the size from which on a frame is sent to the host.
	frameBytes = 256 << 10
)

func (c *hostConnection) serve(ctx context.Context, host string, orders []*pluginv1.BrokerOrder) error {
	arrived := func(body []byte) error {
		if !c.events.Put(event{arrival: body}, eventSize+len(body)) {
			return errHostGone
		}
		return nil
	}
	if err := c.broker.Open(ctx, host, arrived); err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	if err := c.stream.Send(&pluginv1.BrokerEvents{}); err != nil {
		return errors.Join(err, c.broker.Close(ctx))
	}
	var sending sync.WaitGroup
	sending.Go(c.send)
	err := c.follow(ctx, orders)
	if errors.Is(err, io.EOF) {
		err = nil
	} else {
		c.events.Close() // the host takes no events any more
	}
	err = errors.Join(err, c.broker.Close(ctx))
	c.events.Close()
	sending.Wait()
	return err
}

var errHostGone = errors.New("the host is gone")

// send sends events until events is closed.
func (c *hostConnection) send() {
	var spare []event
	for {
		events, ok := c.events.Take(spare)
		if !ok {
			return
		}
		for rest := events; len(rest) > 0; {
			frame := new(pluginv1.BrokerEvents)
			rest = fill(frame, rest)
			if err := c.stream.Send(frame); err != nil {
				c.events.Close()
				return
			}
		}
		clear(events)
		spare = events
	}
}

// fill puts events into a frame and returns those that do not fit. The frame does not
// keep the order between receipts and arrivals.
func fill(frame *pluginv1.BrokerEvents, events []event) []event {
	size := 0
	for i, e := range events {
		if size >= frameBytes {
			return events[i:]
		}
		if e.receipt != nil {
			frame.Receipts = append(frame.Receipts, e.receipt)
		} else {
			frame.Arrivals = append(frame.Arrivals, e.arrival)
		}
		size += eventSize + len(e.arrival)
	}
	return nil
}

// follow obeys orders until the host ends the stream.
func (c *hostConnection) follow(ctx context.Context, orders []*pluginv1.BrokerOrder) error {
	for {
		for _, o := range orders {
			if err := c.obey(ctx, o); err != nil {
				return err
			}
		}
		c.publish(ctx)
		next, err := c.stream.Recv()
		if err != nil {
			return err
		}
		orders = next.Orders
	}
}

// obey obeys one order. A message to publish waits for the next order of another kind,
// or for the end of the frame.
func (c *hostConnection) obey(ctx context.Context, o *pluginv1.BrokerOrder) error {
	if p := o.GetPublish(); p != nil {
		m := Message{Topic: p.Topic, Body: p.Body}
		if p.Deadline != 0 {
			m.Deadline = time.Unix(0, p.Deadline)
		}
		c.batch = append(c.batch, m)
		return nil
	}
	c.publish(ctx)
	switch order := o.Order.(type) {
	case *pluginv1.BrokerOrder_Subscribe:
		return c.broker.Subscribe(order.Subscribe)
	case *pluginv1.BrokerOrder_Unsubscribe:
		return c.broker.Unsubscribe(order.Unsubscribe)
	}
	return status.Errorf(codes.Unimplemented, "an order that this broker does not know: %v", o)
}

// publish publishes the waiting messages and sends their receipts.
func (c *hostConnection) publish(ctx context.Context) {
	if len(c.batch) == 0 {
		return
	}
	errs := c.broker.Publish(ctx, c.batch)
	taken := uint32(0)
	for i := range c.batch {
		if i >= len(errs) || errs[i] == nil {
			taken++
			continue
		}
		c.receipt(&pluginv1.Receipt{Taken: taken, Refused: refusal(errs[i])})
		taken = 0
	}
	if taken > 0 {
		c.receipt(&pluginv1.Receipt{Taken: taken})
	}
	clear(c.batch)
	c.batch = c.batch[:0]
}

func (c *hostConnection) receipt(r *pluginv1.Receipt) {
	c.events.Put(event{receipt: r}, eventSize)
}

var refusalReasons = map[core.MessagingErrorCase]pluginv1.RefusalReason{
	core.CaseTargetNotFound:  pluginv1.RefusalReason_REFUSAL_REASON_TARGET_NOT_FOUND,
	core.CaseQueueFull:       pluginv1.RefusalReason_REFUSAL_REASON_QUEUE_FULL,
	core.CaseInvalidArgument: pluginv1.RefusalReason_REFUSAL_REASON_INVALID_ARGUMENT,
}

func refusal(err error) *pluginv1.Refusal {
	e := core.AsMessagingError(err)
	r := &pluginv1.Refusal{Reason: pluginv1.RefusalReason_REFUSAL_REASON_UNAVAILABLE, Text: e.Text}
	if known, ok := refusalReasons[e.Case]; ok {
		r.Reason = known
	}
	return r
}
