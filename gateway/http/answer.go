package http

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/httpstatus"
)

// maxPooled is the largest buffer that is kept for later requests.
const maxPooled = 64 << 10

// requestIDHeader is the header that names a request, in and out.
const requestIDHeader = "X-Request-Id"

// ServeHTTP answers a request by its route.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(requestIDHeader)
	if !validID(id) {
		id = newID()
		r.Header.Set(requestIDHeader, id)
	}
	w.Header().Set(requestIDHeader, id)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if g.inside.Add(1) > int64(g.config.MaxConnections) {
		g.inside.Add(-1)
		g.writeError(w, http.StatusServiceUnavailable, "busy", "there are too many requests, try again")
		return
	}
	defer g.inside.Add(-1)
	if g.retired.Load() {
		w.Header().Set("Connection", "close")
	}
	g.routes.Load().ServeHTTP(&routed{w, g, false}, r)
}

// routed is the writer of a request that the routes have not been asked about. If they have no
// handler for it, it writes their answer as all other errors.
type routed struct {
	http.ResponseWriter
	g       *Gateway
	written bool // the text of the answer is ours
}

// WriteHeader implements [http.ResponseWriter]. The routes themselves call it, and no route.
func (w *routed) WriteHeader(status int) {
	switch w.written = true; status {
	case http.StatusNotFound:
		w.g.writeError(w.ResponseWriter, status, "no-route", "no route has this path")
	case http.StatusMethodNotAllowed:
		w.g.writeError(w.ResponseWriter, status, "no-route", "no route has this method for the path")
	default: // to the same path, written otherwise
		w.written = false
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write implements [http.ResponseWriter].
func (w *routed) Write(text []byte) (int, error) {
	if w.written {
		return len(text), nil
	}
	return w.ResponseWriter.Write(text)
}

// validID reports whether a client's request id is short and visible.
func validID(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return 0 < len(id) && len(id) <= 128
}

func newID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it does not fail
	return hex.EncodeToString(id[:])
}

// answerer answers the requests of one route.
type answerer struct {
	g          *Gateway
	route      Route
	parameters []string
}

// ServeHTTP implements [http.Handler].
func (a *answerer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = w.(*routed).ResponseWriter
	buffer := a.g.buffer.Get().(*[]byte)
	defer func() {
		if cap(*buffer) <= maxPooled {
			a.g.buffer.Put(buffer)
		}
	}()
	*buffer = (*buffer)[:0]
	if a.route.Pattern == HTTP {
		a.pass(w, r, buffer)
		return
	}
	payload, err := a.payload(w, r, *buffer)
	*buffer = payload
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	if a.route.Pattern == FireAndForget {
		if err := a.g.caller.Send(a.route.Target, payload); err != nil {
			a.refuse(w, r, err)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		return
	}
	ctx, cancel := a.bounded(r.Context())
	defer cancel()
	response, err := a.g.caller.AppendRequest(ctx, payload[len(payload):], a.route.Target, payload)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	a.g.write(w, http.StatusOK, contentType(response), response)
}

// payload reads the body of a request into buffer, and returns the message for the component.
func (a *answerer) payload(w http.ResponseWriter, r *http.Request, buffer []byte) ([]byte, error) {
	body, err := a.body(w, r, buffer)
	if err != nil || a.route.Envelope == EnvelopeNone {
		return body, err
	}
	return a.event(r, body)
}

// body reads the body of a request into buffer.
func (a *answerer) body(w http.ResponseWriter, r *http.Request, buffer []byte) ([]byte, error) {
	body := bytes.NewBuffer(buffer)
	if r.ContentLength > int64(a.g.config.MaxBody) {
		return body.Bytes(), &http.MaxBytesError{Limit: int64(a.g.config.MaxBody)}
	}
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, int64(a.g.config.MaxBody)))
	return body.Bytes(), err
}

// bounded returns a context that ends with the route's timeout.
func (a *answerer) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.route.Timeout > 0 {
		return context.WithTimeout(ctx, a.route.Timeout)
	}
	return ctx, func() {}
}

// write writes a response. A client that takes it too slowly is cut off.
func (g *Gateway) write(w http.ResponseWriter, status int, kind string, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(g.config.WriteTimeout)) // all our connections have one
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client is gone
}

// contentType returns the type of a component's response, which says nothing about it.
func contentType(body []byte) string {
	switch trimmed := bytes.TrimLeft(body, " \t\r\n"); {
	case len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid(body):
		return "application/json"
	case utf8.Valid(body):
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// refuse answers with the status for an error.
func (a *answerer) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) {
		panic(http.ErrAbortHandler) // the client is gone
	}
	status, code, text := httpstatus.Of(err)
	if status >= http.StatusInternalServerError {
		a.warn(r, status, err)
	}
	a.g.writeError(w, status, code, text)
}

func (a *answerer) warn(r *http.Request, status int, err error) {
	a.g.log.Warn("an HTTP request failed", "request", r.Header.Get(requestIDHeader), "path", a.route.Path,
		"target", a.route.Target.String(), "status", status, "reason", core.CutText([]byte(err.Error()), core.MaxErrorText))
}

// writeError writes an error for a client.
func (g *Gateway) writeError(w http.ResponseWriter, status int, code, text string) {
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	body, _ := json.Marshal(map[string]any{"error": map[string]string{"code": code, "message": text}}) // it does not fail
	g.write(w, status, "application/json", append(body, '\n'))
}
