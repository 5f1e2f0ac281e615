package plugin

import (
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/airhost/airhost/core"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// ServeBroker serves broker to the host that has started this process. It returns when
// the host has ended; then main should return. A host starts the executable if its
// configuration says so:
//
//	host: {broker: {plugin: ./my-broker}}
//
// Standard output and standard error go to the host's log. Standard input belongs to
// the host.
func ServeBroker(broker Broker) {
	s := &brokerServer{broker: broker}
	serve("broker", func(server *grpc.Server, _ func()) { pluginv1.RegisterBrokerServer(server, s) })
	s.only.wait()
}

// RegisterBroker makes broker a service of server, for programs that do not use
// [ServeBroker], such as tests.
func RegisterBroker(server grpc.ServiceRegistrar, broker Broker) {
	pluginv1.RegisterBrokerServer(server, &brokerServer{broker: broker})
}

// ServeTracker serves tracker to the host that has started this process, as
// [ServeBroker] does for a broker. The tracker does not see requests that end before
// the host has sent them. Resolve and Cancel tell it how a request ended. Each request
// has a waiter of its own.
func ServeTracker(tracker core.Tracker) {
	s := &trackerServer{tracker: tracker}
	serve("tracker", func(server *grpc.Server, _ func()) { pluginv1.RegisterTrackerServer(server, s) })
	s.only.wait()
}

// RegisterTracker is [RegisterBroker] for trackers.
func RegisterTracker(server grpc.ServiceRegistrar, tracker core.Tracker) {
	pluginv1.RegisterTrackerServer(server, &trackerServer{tracker: tracker})
}

// protocolVersion is the version of the protocols of brokers and trackers.
const protocolVersion = 1

// conversation is the single conversation of an extension with its host.
type conversation struct {
	mu    sync.Mutex    // guards ended
	ended chan struct{} // nil until the conversation has begun, closed at its end
}

// begin begins the conversation. It fails if the host has another version, or if a
// conversation has begun before.
func (c *conversation) begin(version uint32) error {
	if version != protocolVersion {
		return status.Errorf(codes.FailedPrecondition, "the host speaks version %d of the protocol, this extension version %d", version, protocolVersion)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return status.Error(codes.AlreadyExists, "an extension serves one host, once")
	}
	c.ended = make(chan struct{})
	return nil
}

// end ends the conversation that begin began.
func (c *conversation) end() { close(c.ended) }

// wait waits for the end of the conversation, if it has begun.
func (c *conversation) wait() {
	c.mu.Lock()
	ended := c.ended
	c.mu.Unlock()
	if ended != nil {
		<-ended
	}
}
