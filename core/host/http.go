package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/httpmessage"
)

// HTTPClient sends requests of components to the web. Package reach/httpout has one. Its
// methods, and the functions that it returns, may be called from any goroutine.
type HTTPClient interface {
	// Prepare checks a request and does not block. The client keeps the request. send sends it
	// and blocks until the whole response is there, or ctx has ended. It is called once. Rules
	// hold for redirects, too. Errors are [core.HTTPError]; after one of Prepare nothing is sent.
	Prepare(request *core.HTTPRequest, rules core.HTTPRules) (send SendHTTP, err error)
}

// SendHTTP sends a request that an [HTTPClient] has prepared.
type SendHTTP func(ctx context.Context) (*core.HTTPResponse, error)

// FetchFunction is the host's own function for requests to the web: its argument is a request
// in the form of HTTP/1.1 with the whole URL as its target (RFC 9112, 3.2.2), and its result a
// response in this form. A component may call it if its [Capabilities] have HTTP.
const FetchFunction = string(core.HostNamespace) + "/fetch"

// checkRules checks the URLs that are granted.
func (d *Deployment) checkRules() error {
	for i, r := range d.Capabilities.HTTP {
		if r.IsZero() {
			return fmt.Errorf("capabilities.http[%d] is the zero rule: make it with core.ParseHTTPRule", i)
		}
	}
	return nil
}

var (
	errNoHTTP     = &core.HTTPError{Code: core.HTTPRequestDenied, Text: "the host sends no requests"}
	errNoRules    = &core.HTTPError{Code: core.HTTPRequestDenied, Text: "capabilities.http grants nothing"}
	errHTTPEnded  = &core.HTTPError{Code: core.HTTPConnectionTerminated, Text: "the request was canceled, or the call that sent it has ended"}
	errProhibited = &core.HTTPError{Code: core.HTTPDestinationProhibited, Text: "the address is not one that a component may reach"}
	errHTTPLate   = &core.HTTPError{Code: core.HTTPResponseTimeout, Text: "the call that sent the request has no time left"}
)

// exchanges are all requests to the web that run on goroutines of their own.
type exchanges struct {
	live  atomic.Int64
	ended sync.WaitGroup

	mu      mutex[ofLeaf] // guards the following
	closed  bool
	running map[*httpExchange]struct{}
}

// httpExchange is a request that is under way. It implements [core.HTTPExchange].
type httpExchange struct {
	component *component
	call      uint64 // number of the guest's call in which it began
	cancel    context.CancelFunc
	done      chan struct{}

	response *core.HTTPResponse // once done is closed, as is err
	err      error
}

// StartHTTP implements [core.HTTP].
func (s *services) StartHTTP(request *core.HTTPRequest) (core.HTTPExchange, error) {
	c := s.component.Load()
	ticket, err := c.prepareHTTP(request)
	if err != nil {
		return nil, err
	}
	x := &httpExchange{component: c, done: make(chan struct{})}
	until, interrupted := c.exchangeTime(x)
	ctx := c.host.hurried
	if until < math.MaxInt64 {
		ctx, x.cancel = context.WithDeadline(ctx, c.host.began.Add(until))
	} else {
		ctx, x.cancel = context.WithCancel(ctx)
	}
	if interrupted || !c.host.exchanges.start(x, func() { x.response, x.err = ticket.send(ctx) }) {
		x.cancel()
		ticket.give()
		return nil, errHTTPEnded
	}
	c.host.clock.Now() // wakes the clock if it rests: it must see the end of the call
	return x, nil
}

// exchangeTime notes the call that x is part of. It returns when x ends at the latest, on the
// host's clock, and whether the call was interrupted.
func (c *component) exchangeTime(x *httpExchange) (until time.Duration, interrupted bool) {
	until = c.requestDeadline()
	now := c.host.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	x.call = c.call.begun
	return min(until, c.beganLocked(now)+tenths(c.wallTimeLocked(), 9)), c.call.interrupted
}

// Done implements [core.HTTPExchange].
func (x *httpExchange) Done() <-chan struct{} { return x.done }

// Cancel implements [core.HTTPExchange].
func (x *httpExchange) Cancel() { x.cancel() }

// Result implements [core.HTTPExchange].
func (x *httpExchange) Result() (*core.HTTPResponse, error) { return x.response, x.err }

// isOver reports whether the call that x is part of has ended, or ends.
func (x *httpExchange) isOver() bool {
	c := x.component
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.call.inProgress || c.call.begun != x.call || c.call.interrupted
}

// start runs x on a goroutine, unless the host has stopped.
func (e *exchanges) start(x *httpExchange, send func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	if e.running == nil {
		e.running = make(map[*httpExchange]struct{})
	}
	e.running[x] = struct{}{}
	e.live.Add(1)
	e.ended.Go(func() {
		send()
		x.cancel()
		e.mu.Lock()
		delete(e.running, x)
		e.mu.Unlock()
		e.live.Add(-1)
		close(x.done)
	})
	return true
}

// check cancels what is left of calls that have ended, and reports whether anything is under
// way. The clock calls it at each tick, so that the end of a call needs no work.
func (e *exchanges) check() (busy bool) {
	if e.live.Load() == 0 {
		return false
	}
	e.mu.Lock()
	all := make([]*httpExchange, 0, len(e.running))
	for x := range e.running {
		all = append(all, x)
	}
	e.mu.Unlock()
	for _, x := range all {
		if x.isOver() {
			x.cancel()
		}
	}
	return true
}

// stop waits for the end of all, which their contexts have told to end, and lets none begin.
func (e *exchanges) stop() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.ended.Wait()
}

// httpTicket is a request that may be sent. It holds a place of the quota.
type httpTicket struct {
	component *component
	counts    *liveCounts
	place     *atomic.Int64
	url       string
	prepared  SendHTTP
}

func (t *httpTicket) give() { t.place.Add(-1) }

// prepareHTTP checks a request of c's guest. An error is counted and recorded.
func (c *component) prepareHTTP(request *core.HTTPRequest) (*httpTicket, error) {
	t := c.newTicket(request.URL)
	rules, err := c.deployment.Capabilities.HTTP, error(nil)
	switch client := c.host.config.HTTP; {
	case client == nil:
		err = errNoHTTP
	case len(rules) == 0:
		err = errNoRules
	default:
		t.prepared, err = client.Prepare(request, rules)
	}
	if most := c.deployment.Quota.HTTPRequests; err == nil && t.place.Add(1) > int64(most) {
		t.give()
		err = &core.HTTPError{Code: core.HTTPConnectionLimitReached, Text: fmt.Sprintf("quota.http_requests: %d are under way", most)}
	}
	if err != nil {
		return nil, t.failed(err, true)
	}
	return t, nil
}

// newTicket counts a request.
func (c *component) newTicket(url string) *httpTicket {
	c.breakChain()
	if c.calling == nil {
		c.startCalling()
	}
	t := &httpTicket{component: c, counts: &c.calling.counts, place: &c.http, url: shownURL(url)}
	if c.post != nil {
		t.place = &c.post.front.http
	}
	t.counts.http.Add(1)
	return t
}

// shownURL returns a URL without its query and its credentials, which may be secrets. It can't be
// known where the credentials of a malformed URL end: its last '@' is the latest place.
func shownURL(url string) string {
	if t, err := core.ParseHTTPTarget(url, nil); err == nil {
		return t.String() // it has no credentials
	}
	scheme, rest, ok := strings.Cut(url, ":")
	if !ok || !strings.HasPrefix(rest, "/") || strings.Trim(scheme, schemeLetters) != "" {
		scheme, rest = "", url
	} else {
		scheme += ":"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = "//" + rest[at+1:]
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	return scheme + rest
}

const schemeLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// failed counts an error and returns it as the guest gets it. A refusal is recorded.
func (t *httpTicket) failed(err error, refused bool) *core.HTTPError {
	e := core.AsHTTPError(err)
	if e.Code >= core.NumHTTPErrorCodes {
		e = &core.HTTPError{Code: core.HTTPInternalError, Text: e.Text}
	}
	t.countFailed(e.Code)
	switch e.Code {
	case core.HTTPRequestDenied, core.HTTPDestinationProhibited, core.HTTPLoopDetected:
		refused = true
	}
	if refused {
		t.component.host.audit.record(t.component.id, []byte(t.url), "http", e)
	}
	if e.Code == core.HTTPDestinationProhibited { // the log alone tells addresses of the operator's network
		return errProhibited
	}
	return e
}

// countFailed counts an error. A request may end after its component: then the host has its counts.
func (t *httpTicket) countFailed(code core.HTTPErrorCode) {
	c := t.component
	c.mu.Lock()
	settled := c.calling == nil
	if !settled {
		t.counts.failedHTTP[code].Add(1)
	}
	c.mu.Unlock()
	if settled {
		var one httpCounts
		one[code] = 1
		c.host.mu.Lock()
		defer c.host.mu.Unlock()
		c.host.gone.failedHTTP = c.host.gone.failedHTTP.plus(&one)
	}
}

// send sends the request, and gives its place up. ctx ends with the call.
func (t *httpTicket) send(ctx context.Context) (*core.HTTPResponse, error) {
	defer t.give()
	response, err := t.sendSafely(ctx)
	if err == nil {
		return response, nil
	}
	switch reason := ctx.Err(); {
	case errors.Is(reason, context.DeadlineExceeded):
		err = errHTTPLate
	case reason != nil:
		err = errHTTPEnded
	}
	return nil, t.failed(err, false)
}

// sendSafely makes a panic of the client an error.
func (t *httpTicket) sendSafely(ctx context.Context) (response *core.HTTPResponse, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			text := core.CutText(fmt.Sprintf("panic: %v", reason), core.MaxErrorText)
			t.component.host.log.Log(t.component.host.background, slog.LevelError, "the HTTP client panicked", "component", t.component.id.String(),
				"reason", text, "details", core.CutText(debug.Stack(), core.MaxDetails))
			response, err = nil, &core.HTTPError{Code: core.HTTPInternalError, Text: text}
		}
	}()
	return t.prepared(ctx)
}

// fetch is [FetchFunction].
func (c *component) fetch(ctx context.Context, argument []byte) ([]byte, *core.CallError) {
	request, err := httpmessage.ReadRequest(argument)
	if err != nil {
		t := c.newTicket("")
		_ = t.failed(&core.HTTPError{Code: core.HTTPProtocolError, Text: "the argument of " + FetchFunction + " is no HTTP request"}, true)
		return nil, failed(err.Error())
	}
	t, err := c.prepareHTTP(request)
	if err != nil {
		return nil, failed(err.Error())
	}
	response, err := t.send(ctx)
	if err != nil {
		return nil, failed(err.Error())
	}
	return httpmessage.AppendResponse(nil, response), nil
}
