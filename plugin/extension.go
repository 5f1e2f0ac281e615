package plugin

import (
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/airhost/airhost/core"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// ServeBroker is the main function of a broker's executable: it serves the host
// that has started it, and returns when that has ended; main should return then,
// too. The host starts it where its configuration says:
//
//	host: {broker: {plugin: ./my-broker}}
//
// Standard output and standard error go to the host's log; standard input is the
// host's to use.
func ServeBroker(broker Broker) {
	s := &brokerServer{broker: broker}
	serve("broker", func(server *grpc.Server, _ func()) { pluginv1.RegisterBrokerServer(server, s) })
	s.only.wait()
}

// RegisterBroker makes broker a service of server, for whoever serves it by other
// means than [ServeBroker], such as tests.
func RegisterBroker(server grpc.ServiceRegistrar, broker Broker) {
	pluginv1.RegisterBrokerServer(server, &brokerServer{broker: broker})
}

// ServeTracker is the main function of a tracker's executable, as ServeBroker is
// of a broker's. The tracker sees only requests that are pending for longer than
// the host takes to tell it of them; Resolve and Cancel tell it how they ended,
// and each request has a waiter of its own.
func ServeTracker(tracker core.Tracker) {
	s := &trackerServer{tracker: tracker}
	serve("tracker", func(server *grpc.Server, _ func()) { pluginv1.RegisterTrackerServer(server, s) })
	s.only.wait()
}

// RegisterTracker is to trackers what RegisterBroker is to brokers.
func RegisterTracker(server grpc.ServiceRegistrar, tracker core.Tracker) {
	pluginv1.RegisterTrackerServer(server, &trackerServer{tracker: tracker})
}

// protocolVersion is that of the conversations with brokers and trackers.
const protocolVersion = 1

// conversation is the one that an extension has with its host.
type conversation struct {
	held  sync.Mutex // while it lasts
	mu    sync.Mutex // guards begun
	begun bool
}

// begin begins the conversation if the host's version is right and it is the
// first.
func (c *conversation) begin(version uint32) error {
	if version != protocolVersion {
		return status.Errorf(codes.FailedPrecondition, "the host speaks version %d of the protocol, this extension version %d", version, protocolVersion)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun {
		return status.Error(codes.AlreadyExists, "an extension serves one host, once")
	}
	c.begun = true
	c.held.Lock()
	return nil
}

func (c *conversation) end() { c.held.Unlock() }

// wait waits for the end of a conversation that has begun.
func (c *conversation) wait() {
	c.held.Lock() // for good: no other begins
}
