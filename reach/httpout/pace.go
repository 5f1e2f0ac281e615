package httpout

import (
	"context"
	"io"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/airhost/airhost/core"
)

// pace ends a request that is too slow in one of its phases, if the component has asked for it.
type pace struct {
	timeouts core.HTTPTimeouts
	end      context.CancelCauseFunc

	mu        sync.Mutex // guards the following
	timer     *time.Timer
	stopped   bool
	connected bool
}

// begin begins a phase, which ends the one before.
func (p *pace) begin(limit time.Duration, code core.HTTPErrorCode, connected bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connected = connected
	if p.timer != nil {
		p.timer.Stop()
	}
	if limit > 0 && !p.stopped {
		p.timer = time.AfterFunc(limit, func() { p.end(&core.HTTPError{Code: code, Text: "the request's own timeout of " + limit.String()}) })
	}
}

func (p *pace) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.timer != nil {
		p.timer.Stop()
	}
}

// traced returns a context by which net/http tells the phases of a request.
func (p *pace) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:              func(string) { p.begin(p.timeouts.Connect, core.HTTPConnectionTimeout, false) },
		GotConn:              func(httptrace.GotConnInfo) { p.begin(p.timeouts.FirstByte, core.HTTPResponseTimeout, true) },
		GotFirstResponseByte: func() { p.readsOn() },
	})
}

// readsOn begins the wait for the next part of the response.
func (p *pace) readsOn() { p.begin(p.timeouts.BetweenBytes, core.HTTPConnectionReadTimeout, true) }

// pacedReader reads a body at its pace.
type pacedReader struct {
	body io.Reader
	pace *pace
}

// Read implements [io.Reader].
func (r *pacedReader) Read(b []byte) (int, error) {
	r.pace.readsOn()
	return r.body.Read(b)
}
