package host

import (
	"context"
	"fmt"

	"github.com/airhost/airhost/core"
)

// Caller sends messages to the components of a host in the name of a part of the program, such
// as a gateway. Its methods may be called from any goroutine, as those of the Host.
type Caller struct {
	host *Host
	id   core.ComponentID
}

// As returns a Caller with an id of the namespace [core.HostNamespace], which no component has.
// Components see it as the sender. Such a sender stands for many: it has no share of a
// mailbox, and its messages are spread as by [SpreadAny].
func (h *Host) As(id core.ComponentID) (Caller, error) {
	if id.Namespace() != core.HostNamespace {
		return Caller{}, fmt.Errorf("%w: %q is not in the namespace %s, which parts of a program have", core.ErrInvalidID, id, core.HostNamespace)
	}
	return Caller{h, id}, nil
}

// ID returns the sender's id.
func (s Caller) ID() core.ComponentID { return s.id }

// Request is [Host.Request].
func (s Caller) Request(ctx context.Context, target core.ComponentID, payload []byte) ([]byte, error) {
	return s.AppendRequest(ctx, nil, target, payload)
}
