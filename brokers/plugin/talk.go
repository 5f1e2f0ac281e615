package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/extension"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

const (
	// protocolVersion is the version of the protocol with the process.
	protocolVersion = 1
	// maxPayload is the largest payload in bytes; the rest of a body is the envelope.
	maxPayload = extension.MaxBody - 1<<10
	// A frame is sent when it has frameOrders orders, or frameBytes bytes.
	frameOrders = 1024
	frameBytes  = 256 << 10
)

type stream = grpc.BidiStreamingClient[pluginv1.BrokerOrders, pluginv1.BrokerEvents]

// talk is an [extension.Talk].
func (b *Broker) talk(ctx context.Context, conn *grpc.ClientConn, stop <-chan struct{}, up func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	to, err := b.connect(ctx, conn)
	if err != nil {
		return err
	}
	s := b.begin()
	up()
	var working sync.WaitGroup
	received := make(chan struct{})
	working.Go(func() {
		if err := s.send(to); err != nil {
			cancel() // receive returns the reason
		}
	})
	working.Go(func() {
		select {
		case <-stop:
			s.close()
		case <-received:
		}
	})
	err = s.receive(to)
	close(received)
	cancel()
	b.session.CompareAndSwap(s, nil)
	s.close()
	working.Wait()
	s.end()
	if errors.Is(err, io.EOF) {
		err = extension.ErrEnded
		if b.isClosed() {
			err = nil
		}
	}
	return err
}

// connect opens the stream, and returns when the process is connected to the system
// behind it.
func (b *Broker) connect(ctx context.Context, conn *grpc.ClientConn) (stream, error) {
	to, err := pluginv1.NewBrokerClient(conn).Connect(ctx,
		grpc.MaxCallRecvMsgSize(extension.MaxFrame), grpc.MaxCallSendMsgSize(extension.MaxFrame))
	if err != nil {
		return nil, err
	}
	hello := &pluginv1.BrokerHello{Version: protocolVersion, Host: b.name}
	// An error of Send says only that the stream has ended; Recv returns the reason.
	_ = to.Send(&pluginv1.BrokerOrders{Orders: []*pluginv1.BrokerOrder{
		{Order: &pluginv1.BrokerOrder_Hello{Hello: hello}},
		{Order: &pluginv1.BrokerOrder_Subscribe{Subscribe: hostTopic(b.name)}},
	}})
	if _, err := to.Recv(); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return to, nil
}

// begin makes the session for a new run of the process, with orders to subscribe this
// host's components.
func (b *Broker) begin() *session {
	s := newSession(b)
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.receivers {
		s.subscribe(componentTopic(id))
	}
	b.session.Store(s)
	return s
}

// send sends orders until the session is closing, and then ends its side of the
// stream.
func (s *session) send(to stream) error {
	var f frame
	var spare []order
	for {
		orders := s.take(spare)
		if len(orders) == 0 {
			return to.CloseSend()
		}
		for _, o := range orders {
			if err := f.add(o, s.broker.name); err != nil {
				return err
			}
			if f.full() {
				if err := f.flush(s, to); err != nil {
					return err
				}
			}
		}
		if err := f.flush(s, to); err != nil {
			return err
		}
		clear(orders)
		spare = orders
	}
}

// frame holds the orders for one send. Its memory is used again.
type frame struct {
	orders       []*pluginv1.BrokerOrder
	bodies       []byte
	publications int
}

func (f *frame) full() bool { return len(f.orders) >= frameOrders || len(f.bodies) >= frameBytes }

func (f *frame) add(o order, host string) error {
	order := new(pluginv1.BrokerOrder)
	switch {
	case o.subscribe != "":
		order.Order = &pluginv1.BrokerOrder_Subscribe{Subscribe: o.subscribe}
	case o.unsubscribe != "":
		order.Order = &pluginv1.BrokerOrder_Unsubscribe{Unsubscribe: o.unsubscribe}
	default:
		publication, err := f.seal(o.publish, host)
		if err != nil {
			return err
		}
		order.Order = &pluginv1.BrokerOrder_Publish{Publish: publication}
		f.publications++
	}
	f.orders = append(f.orders, order)
	return nil
}

func (f *frame) seal(p publication, host string) (*pluginv1.Publication, error) {
	m := p.message
	kind, origin, topic := pluginv1.EnvelopeKind_ENVELOPE_KIND_MESSAGE, "", componentTopic(m.Target)
	switch {
	case p.isOutcome():
		kind, topic = pluginv1.EnvelopeKind_ENVELOPE_KIND_OUTCOME, hostTopic(p.host)
	case m.IsRequest():
		kind, origin = pluginv1.EnvelopeKind_ENVELOPE_KIND_REQUEST, host
	}
	start := len(f.bodies)
	bodies, err := seal(f.bodies, m, kind, origin)
	if err != nil {
		return nil, fmt.Errorf("message from %s to %s: %w", m.Sender, m.Target, err)
	}
	f.bodies = bodies
	return &pluginv1.Publication{Topic: topic, Body: bodies[start:len(bodies):len(bodies)], Deadline: m.Deadline}, nil
}

func (f *frame) flush(s *session, to stream) error {
	if len(f.orders) == 0 {
		return nil
	}
	s.sending(f.publications)
	err := to.Send(&pluginv1.BrokerOrders{Orders: f.orders})
	clear(f.orders)
	f.orders, f.bodies, f.publications = f.orders[:0], f.bodies[:0], 0
	if cap(f.bodies) > 4*frameBytes {
		f.bodies = nil
	}
	return err
}

// receive handles the events of the process until the stream ends.
func (s *session) receive(from stream) error {
	for {
		events, err := from.Recv()
		if err != nil {
			return err
		}
		// Arrivals come first: a message that comes back to this host must count as
		// arrived before it counts as left, or the host could find that no message is
		// under way.
		for _, body := range events.Arrivals {
			s.arrive(body)
		}
		for _, r := range events.Receipts {
			if err := s.confirm(r); err != nil {
				return err
			}
		}
	}
}

// arrive handles a message or outcome from this host or another.
func (s *session) arrive(body []byte) {
	b := s.broker
	m, kind, origin, err := unseal(body)
	if err != nil {
		b.counts.discarded.Add(1)
		b.extension.Logger.Debug("arrival discarded", "extension", b.extension.Name, "reason", err.Error())
		return
	}
	if kind == pluginv1.EnvelopeKind_ENVELOPE_KIND_OUTCOME {
		s.answered(m.Correlation)
		b.home.Respond(m)
		return
	}
	b.counts.arrived.Add(1)
	if m.IsRequest() {
		m.Origin = b.origin(origin)
	}
	if err := b.deliver(m); err != nil {
		b.home.Undelivered(m, err)
	}
}

func (b *Broker) deliver(m *core.Message) error {
	b.mu.RLock()
	r := b.receivers[m.Target]
	b.mu.RUnlock()
	if r == nil {
		return &core.MessagingError{Case: core.CaseTargetNotFound, Text: m.Target.String()}
	}
	return r.Deliver(m)
}

func (b *Broker) isClosed() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.state == closed
}
