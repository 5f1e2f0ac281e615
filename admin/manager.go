package admin

import (
	"context"

	"github.com/airhost/airhost/core"
)

// Manager makes a host run its configuration. A [Server] hands the requests to it that
// change components. Its methods may be called from any goroutine, and block until the change has
// been made or ctx ends. Errors that are an [*Error] reach the client as they are.
type Manager interface {
	// Apply makes the host run a configuration file. It calls progress, which is
	// not nil and does not block, from any goroutine, one call at a time.
	Apply(ctx context.Context, request ApplyRequest, progress func(Progress)) (*Applied, error)
	// Put makes the host run one component as an entry of a file's components says, in YAML
	// or JSON.
	Put(ctx context.Context, id core.ComponentID, configuration []byte, progress func(Progress)) (*Applied, error)
	// Restart makes fresh instances of a component, or deploys one that could not be
	// deployed.
	Restart(ctx context.Context, id core.ComponentID) error
	// Undeploy removes a component.
	Undeploy(ctx context.Context, id core.ComponentID) error
	// Drain gives the components that may run on other hosts to these, and takes no more; or it undoes
	// that. It calls progress like Apply. Components that could not move are in the result.
	Drain(ctx context.Context, request DrainRequest, progress func(Progress)) (*Drained, error)
	// Failed returns the components that the host does not have: those that could not be deployed, are
	// not yet, or run on another host. ID, Engine, State, Host, Health, Required and LastError are set;
	// without Health it is unhealthy. It does not block.
	Failed() []Component
	// Ready returns nil, or why the host is not ready. It does not block.
	Ready() error
}
