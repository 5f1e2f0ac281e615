package plugin

import (
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/extension/extensiontest"
	sdk "github.com/airhost/airhost/plugin"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// script is a service with a method Connect from a test.
type script struct {
	pluginv1.UnimplementedBrokerServer
	connect func(pluginv1.Broker_ConnectServer) error
}

func (s script) Connect(stream pluginv1.Broker_ConnectServer) error { return s.connect(stream) }

// scripted returns a broker with a process that runs connect. life counts the starts of
// the process, from 1.
func scripted(t *testing.T, config Config, connect func(life int32, stream pluginv1.Broker_ConnectServer) error) *Broker {
	t.Helper()
	var lives atomic.Int32
	config.Logger = orDiscard(config.Logger)
	b, err := newBroker(config, extensiontest.InMemory(func(s grpc.ServiceRegistrar) {
		life := lives.Add(1)
		pluginv1.RegisterBrokerServer(s, script{connect: func(stream pluginv1.Broker_ConnectServer) error {
			return connect(life, stream)
		}})
	}))
	check(t, err)
	return b
}

// follow receives until the host ends the stream.
func follow(stream pluginv1.Broker_ConnectServer) error {
	for {
		if _, err := stream.Recv(); err != nil {
			return nil
		}
	}
}

// TestLyingReceipts: after a receipt for an unknown message the process is restarted,
// and the requests that it carried end.
func TestLyingReceipts(t *testing.T) {
	for name, receipt := range map[string]*pluginv1.Receipt{
		"taken": {Taken: math.MaxUint32}, "refused": {Taken: 1, Refused: &pluginv1.Refusal{}},
	} {
		var lives atomic.Int32
		b := scripted(t, Config{}, func(life int32, stream pluginv1.Broker_ConnectServer) error {
			lives.Store(life)
			_ = stream.Send(&pluginv1.BrokerEvents{})
			for life == 1 {
				orders, err := stream.Recv()
				if err != nil {
					return err
				}
				if orders.Orders[len(orders.Orders)-1].GetPublish() != nil {
					_ = stream.Send(&pluginv1.BrokerEvents{Receipts: []*pluginv1.Receipt{receipt}})
				}
			}
			return follow(stream)
		})
		h := startHost(t, b, host.Config{})
		if _, err := h.Request(within(t), echoID, nil); !errors.Is(err, core.ErrRequestUnavailable) {
			t.Errorf("%s: got %v, want unavailable", name, err)
		}
		waitFor(t, "another life", func() bool { return lives.Load() == 2 })
	}
}

// junk is a codec that sends bytes which are not protobuf.
type junk struct{ encoding.CodecV2 }

func (junk) Name() string { return "proto" }

func (junk) Marshal(any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer("\xff\xff\xff\xff junk")}, nil
}

func (junk) Unmarshal(mem.BufferSlice, any) error { return nil }

func TestGarbageFrames(t *testing.T) {
	b, err := newBroker(Config{Logger: orDiscard(nil)}, extensiontest.InMemory(func(s grpc.ServiceRegistrar) {
		pluginv1.RegisterBrokerServer(s, script{connect: func(stream pluginv1.Broker_ConnectServer) error {
			_ = stream.Send(&pluginv1.BrokerEvents{})
			return follow(stream)
		}})
	}, grpc.ForceServerCodecV2(junk{})))
	check(t, err)
	err = b.Open(within(t), newOrigin())
	if refused := (interface{ GRPCStatus() *status.Status })(nil); !errors.As(err, &refused) || refused.GRPCStatus().Code() != codes.Internal {
		t.Errorf("got %v, want the broker's start to fail for its frame", err)
	}
}

func TestWrongVersion(t *testing.T) {
	b := scripted(t, Config{}, func(_ int32, stream pluginv1.Broker_ConnectServer) error {
		orders, err := stream.Recv()
		check(t, err)
		if hello := orders.Orders[0].GetHello(); hello.GetVersion() != 1 || hello.GetHost() == "" {
			t.Errorf("the host says %v, want version 1 and its name", hello)
		}
		return status.Error(codes.FailedPrecondition, "it speaks version 2")
	})
	if err := b.Open(within(t), newOrigin()); err == nil || !strings.Contains(err.Error(), "it speaks version 2") {
		t.Errorf("got %v, want the broker's reason", err)
	}
}

// TestServesItsVersionAlone is TestWrongVersion on the side of the process.
func TestServesItsVersionAlone(t *testing.T) {
	start := extensiontest.InMemory(func(s grpc.ServiceRegistrar) { sdk.RegisterBroker(s, newExchange().broker()) })
	p, err := start(t.Context())
	check(t, err)
	defer p.Close(t.Context())
	for name, c := range map[string]struct {
		first *pluginv1.BrokerOrder
		want  codes.Code
	}{
		"version 2": {&pluginv1.BrokerOrder{Order: &pluginv1.BrokerOrder_Hello{Hello: &pluginv1.BrokerHello{Version: 2}}}, codes.FailedPrecondition},
		"no hello":  {&pluginv1.BrokerOrder{Order: &pluginv1.BrokerOrder_Subscribe{Subscribe: "x"}}, codes.InvalidArgument},
	} {
		stream, err := pluginv1.NewBrokerClient(p.Conn()).Connect(within(t))
		check(t, err)
		check(t, stream.Send(&pluginv1.BrokerOrders{Orders: []*pluginv1.BrokerOrder{c.first}}))
		if _, err := stream.Recv(); status.Code(err) != c.want {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// TestQueueFull: a process that confirms nothing gets as many messages as its window
// has places.
func TestQueueFull(t *testing.T) {
	const window = 10
	b := scripted(t, Config{Window: window}, func(_ int32, stream pluginv1.Broker_ConnectServer) error {
		_ = stream.Send(&pluginv1.BrokerEvents{})
		return follow(stream)
	})
	home := newOrigin()
	check(t, b.Open(within(t), home))
	to, err := b.Route(echoID)
	check(t, err)
	for range window {
		check(t, to.Deliver(core.NewMessage(nil)))
	}
	if err := to.Deliver(new(core.Message)); !errors.Is(err, core.ErrQueueFull) {
		t.Errorf("got %v, want queue-full", err)
	}
	if err := to.Deliver(&core.Message{Payload: make([]byte, maxPayload+1)}); !errors.Is(err, core.ErrInvalidArgument) {
		t.Errorf("too large: got %v, want invalid-argument", err)
	}
	check(t, b.Close(within(t)))
	if got := home.undelivered.Load(); got != window {
		t.Errorf("%d messages were undelivered at Close, want %d", got, window)
	}
}

// TestQueueFullInBytes: the messages for a process that confirms nothing are bounded in
// bytes too.
func TestQueueFullInBytes(t *testing.T) {
	s := newSession(&Broker{window: DefaultWindow})
	const size = 16 << 20
	for range windowBytes / size {
		check(t, s.deliver(&core.Message{Payload: make([]byte, size)}))
	}
	if err := s.deliver(new(core.Message)); !errors.Is(err, core.ErrQueueFull) {
		t.Errorf("got %v, want queue-full", err)
	}
	for range windowBytes / size { // outcomes of requests from other hosts
		if !s.answer(&core.Message{Payload: make([]byte, size)}, "x") {
			t.Error("an answer finds no place beside what is sent")
		}
	}
	if s.answer(new(core.Message), "x") {
		t.Error("answers are not bounded")
	}
	s.sending(1)
	if _, ok := s.oldest(); !ok || s.bytes != 2*windowBytes-size {
		t.Errorf("%d bytes are counted, want those of the messages that are left", s.bytes)
	}
}
