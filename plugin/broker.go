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

// Broker carries messages between hosts, by publishing and subscribing: a topic
// stands for a component, on whichever host it is, or for a host. It is what the
// author of a broker writes, and hands to [ServeBroker]. It serves one host.
//
// Its methods are called by one goroutine, one after the other. One that is held up
// holds up the host's messages, which are refused with queue-full when too many
// wait, but never the host.
//
// Messages of one topic that were published by one host arrive in the order in
// which they were published. A message arrives at most once: what is not sure is
// lost.
type Broker interface {
	// Open connects to whatever is behind the broker, before any other call. host
	// is the name of the host, different for each start of each host. arrived
	// takes over what has arrived for one of the host's topics; it may be called
	// from any goroutine until Close returns, waits while the host does not keep
	// up, and fails when the host is gone. An error ends the process; the host
	// logs it and starts it again by its restart policy.
	Open(ctx context.Context, host string, arrived func(body []byte) error) error

	// Subscribe says that the host takes the messages of a topic from now on.
	// Where several hosts do, each message goes to one of them. A topic is made
	// of lower-case ASCII letters, digits, '-', '_', '.' and '/', and has at most
	// 160 bytes. An error ends the process, as that of Open.
	Subscribe(topic string) error

	// Unsubscribe undoes Subscribe. What has been published and has not arrived
	// yet may still arrive; the host refuses it to its sender.
	Unsubscribe(topic string) error

	// Publish publishes a batch of messages. It returns nil where all were
	// taken, or else one entry for each message, nil where it was taken. Matching
	// [core.ErrTargetNotFound], which says that nobody subscribes to the topic,
	// [core.ErrQueueFull], [core.ErrInvalidArgument] or [core.ErrUnavailable], an
	// error is passed on; any other one is taken for the latter. The batch is
	// used again when Publish has returned, the bodies are not.
	Publish(ctx context.Context, batch []Message) []error

	// Close ends all subscriptions and the connection: nothing arrives any more
	// when it has returned. ctx ends when the host will not wait any longer.
	Close(ctx context.Context) error
}

// Message is a message on its way. What its body means is the hosts' affair.
type Message struct {
	Topic string
	Body  []byte
	// Deadline is when nobody will wait for the answer any more: a broker may
	// drop the message then. It is the zero time where there is no such moment.
	Deadline time.Time
}

type brokerServer struct {
	pluginv1.UnimplementedBrokerServer
	broker Broker
	only   conversation
}

type brokerStream = grpc.BidiStreamingServer[pluginv1.BrokerOrders, pluginv1.BrokerEvents]

// Connect implements the service: it is the host's whole connection.
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

// event is a body that has arrived, or a receipt.
type event struct {
	arrival []byte
	receipt *pluginv1.Receipt
}

const (
	// maxWaiting is how many bytes wait for the host, about.
	maxWaiting = 4 << 20
	// eventSize is what an event counts beyond its body.
	eventSize = 64
	// frameBytes is where a frame to the host ends.
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
		c.events.Close() // nobody is there to take any
	}
	err = errors.Join(err, c.broker.Close(ctx))
	c.events.Close()
	sending.Wait()
	return err
}

var errHostGone = errors.New("the host is gone")

// send sends events until there will be none.
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

// fill puts events into a frame and returns those that have no place. Which of a
// receipt and an arrival was first does not matter.
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

// follow follows orders until the host has none any more.
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

// obey follows one order. What is to be published waits until another order, or
// the end of the frame.
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

// publish publishes what waits for it, and gives the receipts.
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
