package web

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/airhost/airhost/guest"
)

// gateway is the sender of the requests that come in from outside.
const gateway = "airhost/gateway"

// Handler returns a component that gets requests of HTTP as its messages, and lets h answer them. A
// route of the gateway with pattern: http sends such messages. See [Serve].
func Handler(h http.Handler) guest.Component { return component{h} }

type component struct{ http.Handler }

// HandleMessage implements [guest.Component].
func (c component) HandleMessage(host guest.Host, sender string, message []byte) ([]byte, error) {
	return Serve(c.Handler, host, sender, message)
}

// Serve is HandleMessage for a component that has more methods than the one of [Handler]. The message is
// a request in the form of HTTP/1.1 (RFC 9112, application/http), and so is the response. h runs on
// the caller's goroutine, has the whole request, and its response is sent when it has returned.
//
// The request's context has the host and the sender: see [Host] and [Sender]. RemoteAddr is the client's
// address, without a port, if the gateway is the sender. A message that is no request is
// [guest.CaseInvalidMessage]. If h panics with [http.ErrAbortHandler], the request has failed.
func Serve(h http.Handler, host guest.Host, sender string, message []byte) (response []byte, err error) {
	all := bytes.NewReader(message)
	rest := bufio.NewReader(all)
	r, err := http.ReadRequest(rest)
	if err != nil {
		return nil, &guest.ComponentError{Case: guest.CaseInvalidMessage, Text: fmt.Sprintf("the message is no HTTP request: %v: a route to this component has pattern: http", err)}
	}
	if r.Header.Get("Content-Length") == "" && len(r.TransferEncoding) == 0 {
		r.Body, r.ContentLength = io.NopCloser(rest), int64(rest.Buffered()+all.Len()) // a message has an end
	}
	if sender == gateway {
		r.RemoteAddr = r.Header.Get("X-Forwarded-For")
	}
	defer func() {
		switch cause := recover(); cause {
		case nil:
		case http.ErrAbortHandler:
			response, err = nil, http.ErrAbortHandler
		default:
			panic(cause)
		}
	}()
	w := &writer{method: r.Method, header: make(http.Header)}
	h.ServeHTTP(w, r.WithContext(&requestContext{r.Context(), host, sender, r.Header}))
	return w.response(), nil
}

// requestContext is the context of a request.
type requestContext struct {
	context.Context
	host   guest.Host
	sender string
	header http.Header
}

type contextKey struct{}

// Value implements [context.Context].
func (c *requestContext) Value(key any) any {
	if key == (contextKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// Host returns the host of the component that handles the request with this context, or nil if it is
// not one of [Serve]. It may be used until the handler has returned, on its goroutine.
func Host(ctx context.Context) guest.Host {
	if c, ok := ctx.Value(contextKey{}).(*requestContext); ok {
		return c.host
	}
	return nil
}

// Sender returns the sender of the request with this context: airhost/gateway, or the component that
// has sent it; "" if it is not one of [Serve].
func Sender(ctx context.Context) string {
	if c, ok := ctx.Value(contextKey{}).(*requestContext); ok {
		return c.sender
	}
	return ""
}

// writer is an [http.ResponseWriter] that keeps the response.
type writer struct {
	method string
	header http.Header
	sent   http.Header // header at the time of WriteHeader
	status int         // 0 before
	body   bytes.Buffer
}

// Header implements [http.ResponseWriter].
func (w *writer) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter]. Informational responses are left out.
func (w *writer) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("web: invalid WriteHeader code %d", status)) // as net/http does
	}
	if w.status == 0 && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
	}
}

// Write implements [http.ResponseWriter].
func (w *writer) Write(b []byte) (int, error) {
	if w.WriteHeader(http.StatusOK); !w.hasBody() {
		return 0, http.ErrBodyNotAllowed
	}
	return w.body.Write(b)
}

// Flush implements [http.Flusher]. The response is sent as a whole, later.
func (w *writer) Flush() { w.WriteHeader(http.StatusOK) }

func (w *writer) hasBody() bool {
	return w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

// framing are the fields that the message has by itself, or that belong to a connection.
var framing = map[string]bool{"Connection": true, "Content-Length": true, "Keep-Alive": true, "Proxy-Connection": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true}

// response returns the response as a message.
func (w *writer) response() []byte {
	w.WriteHeader(http.StatusOK)
	if _, given := w.sent["Content-Type"]; !given && w.body.Len() > 0 && w.sent.Get("Content-Encoding") == "" {
		w.sent.Set("Content-Type", http.DetectContentType(w.body.Bytes()))
	}
	var message bytes.Buffer
	fmt.Fprintf(&message, "HTTP/1.1 %d %s\r\n", w.status, http.StatusText(w.status))
	_ = w.sent.WriteSubset(&message, framing) // into memory
	if w.hasBody() {
		message.WriteString("Content-Length: " + strconv.Itoa(w.body.Len()) + "\r\n")
	}
	message.WriteString("\r\n")
	if w.method != http.MethodHead {
		message.Write(w.body.Bytes())
	}
	return message.Bytes()
}
