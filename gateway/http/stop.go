package http

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Retire takes no connection any more: another gateway has the address. Connections that there
// are end with their next response, or when they have been idle for too long. It does not block,
// and Stop must follow at some time.
func (g *Gateway) Retire() {
	g.retired.Store(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != nil {
		_ = g.listener.Close() // a second time in Stop
	}
}

// firstRequest is how long Stop waits for the first request of a connection that was just
// made.
const firstRequest = time.Second

// Stop takes no connection any more, and waits until all requests have been answered or ctx
// ends. Then it closes their connections and returns ctx's error.
func (g *Gateway) Stop(ctx context.Context) error {
	g.mu.Lock()
	served := g.served
	g.mu.Unlock()
	if served == nil {
		return nil
	}
	g.Retire()
	end := <-served // from here on all connections are known
	served <- end   // for another Stop
	if errors.Is(end, http.ErrServerClosed) || errors.Is(end, net.ErrClosed) {
		end = nil
	}
	g.answerAll(ctx)
	err := g.server.Shutdown(ctx)
	if errors.Is(err, net.ErrClosed) { // the listener is closed already
		err = nil
	}
	if err != nil {
		_ = g.server.Close()
	}
	if err = errors.Join(err, end); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}

// answerAll waits until all requests have been answered that are in progress or on their way.
// [http.Server.Shutdown] alone would drop a request that it reads, without an answer.
func (g *Gateway) answerAll(ctx context.Context) {
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	patience := time.NewTimer(firstRequest)
	defer patience.Stop()
	patient := true
	for g.inside.Load() > 0 || patient && g.open.anyFresh() {
		select {
		case <-look.C:
		case <-patience.C:
			patient = false
		case <-ctx.Done():
			return
		}
	}
}

// Connections is the number of connections that are open.
func (g *Gateway) Connections() int {
	g.open.mu.Lock()
	defer g.open.mu.Unlock()
	return len(g.open.fresh)
}

// open are the connections of a gateway.
type open struct {
	mu    sync.Mutex        // guards fresh
	fresh map[net.Conn]bool // whether it has sent nothing yet
}

// note is called by the server when the state of a connection changes.
func (o *open) note(c net.Conn, state http.ConnState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(o.fresh, c)
	default:
		o.fresh[c] = state == http.StateNew
	}
}

// anyFresh reports whether there is a connection that has sent nothing yet.
func (o *open) anyFresh() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, fresh := range o.fresh {
		if fresh {
			return true
		}
	}
	return false
}
