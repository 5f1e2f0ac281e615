package http

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
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
	g.ended(ctx)
	if err = errors.Join(err, end); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	return nil
}

// look is the time between two looks while Stop waits.
const look = 2 * time.Millisecond

// ended waits until the connections have ended that the server has closed. The server does not:
// the goroutine of each notes its end.
func (g *Gateway) ended(ctx context.Context) {
	look := time.NewTicker(look)
	defer look.Stop()
	for g.Connections() > 0 {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// answerAll waits until all requests have been answered that are in progress or on their way.
// [http.Server.Shutdown] alone would drop a request that it reads, without an answer.
func (g *Gateway) answerAll(ctx context.Context) {
	look := time.NewTicker(look)
	defer look.Stop()
	patience := time.NewTimer(firstRequest)
	defer patience.Stop()
	patient := true
	for g.inside.Load() > 0 || patient && g.open.silent.Load() > 0 {
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
func (g *Gateway) Connections() int { return int(g.open.count.Load()) }

// open are the connections of a gateway. A request takes no lock for it.
type open struct {
	count    atomic.Int64
	silent   atomic.Int64 // of these, those that have sent nothing yet
	isSilent sync.Map     // by net.Conn: an *atomic.Bool
}

// note is called by the server when the state of a connection changes.
func (o *open) note(c net.Conn, state http.ConnState) {
	if state == http.StateNew {
		silent := new(atomic.Bool)
		silent.Store(true)
		o.isSilent.Store(c, silent)
		o.count.Add(1)
		o.silent.Add(1)
		return
	}
	known, _ := o.isSilent.Load(c)
	if silent, ok := known.(*atomic.Bool); ok && silent.Load() && silent.CompareAndSwap(true, false) {
		o.silent.Add(-1)
	}
	if state == http.StateClosed || state == http.StateHijacked {
		o.isSilent.Delete(c)
		o.count.Add(-1)
	}
}
