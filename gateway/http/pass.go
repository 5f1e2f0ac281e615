package http

import (
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/httpmessage"
)

// pass passes a whole request on as a message, and answers with the response that the
// component's message is.
func (a *answerer) pass(w http.ResponseWriter, r *http.Request, buffer *[]byte) {
	switch {
	case r.Method == http.MethodConnect:
		a.g.writeError(w, http.StatusMethodNotAllowed, "no-route", "no route has this method for the path")
		return
	case !httpguts.ValidHeaderFieldName(r.Method) || !httpguts.ValidHostHeader(r.Host): // HTTP/2 does not check them
		a.g.writeError(w, http.StatusBadRequest, "invalid-request", "the method or the host is malformed")
		return
	}
	body, err := a.body(w, r, *buffer)
	*buffer = body
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	message := httpmessage.AppendRequest(body, &core.HTTPRequest{Method: r.Method, URL: target(r), Header: passed(r), Body: body})
	*buffer = message[:0]
	message = message[len(body):]
	ctx, cancel := a.bounded(r.Context())
	defer cancel()
	answer, err := a.g.caller.AppendRequest(ctx, message[len(message):], a.route.Target, message)
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	response, err := httpmessage.ReadResponseTo(r.Method, answer)
	if err != nil {
		a.warn(r, http.StatusBadGateway, err)
		a.g.writeError(w, http.StatusBadGateway, "invalid-response", "the component's response is no valid HTTP response")
		return
	}
	a.g.forward(w, r, response)
}

// target returns the path and the query of a request, in ASCII and without spaces.
func target(r *http.Request) string {
	path := r.URL.EscapedPath()
	if r.URL.RawQuery == "" && !r.URL.ForceQuery {
		return path
	}
	target := append([]byte(path), '?')
	for _, c := range []byte(r.URL.RawQuery) {
		if c > ' ' && c < 0x7f {
			target = append(target, c)
			continue
		}
		const digits = "0123456789ABCDEF"
		target = append(target, '%', digits[c>>4], digits[c&15])
	}
	return string(target)
}

// hops are the fields that are for the next hop alone, beside those that Connection names and
// those that package httpmessage leaves out (RFC 9110, 7.6.1).
var hops = []string{"Expect", "Proxy-Authenticate", "Proxy-Authorization", "Te"}

// isFromProxy reports whether a field says what only a proxy in front of us can know. There is
// none that we trust.
func isFromProxy(name string) bool {
	return name == "Forwarded" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-")
}

// passed returns the fields that a component gets, sorted by name.
func passed(r *http.Request) []core.HTTPField {
	named := r.Header.Values("Connection")
	fields := make([]core.HTTPField, 0, len(r.Header)+4)
	for name, values := range r.Header {
		if slices.Contains(hops, name) || isFromProxy(name) || httpguts.HeaderValuesContainsToken(named, name) {
			continue
		}
		name = strings.ToLower(name)
		for _, value := range values {
			fields = append(fields, core.HTTPField{Name: name, Value: value})
		}
	}
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err == nil {
		fields = append(fields, core.HTTPField{Name: "x-forwarded-for", Value: client})
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	fields = append(fields, core.HTTPField{Name: "x-forwarded-host", Value: r.Host}, core.HTTPField{Name: "x-forwarded-proto", Value: scheme})
	slices.SortStableFunc(fields, func(a, b core.HTTPField) int { return strings.Compare(a.Name, b.Name) })
	return slices.Insert(fields, 0, core.HTTPField{Name: "host", Value: r.Host})
}

// forward writes a component's response. Fields that the gateway has set keep their values.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request, response *core.HTTPResponse) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(g.config.WriteTimeout)) // all our connections have one
	header := w.Header()
	header["Content-Type"] = nil // the server guesses none
	for _, f := range response.Header {
		name := http.CanonicalHeaderKey(f.Name)
		if name == requestIDHeader || slices.Contains(hops, name) {
			continue
		}
		if name == "X-Content-Type-Options" {
			header.Set(name, f.Value)
			continue
		}
		header[name] = append(header[name], f.Value)
	}
	none := response.Status == http.StatusNoContent || response.Status == http.StatusNotModified
	if !none && (r.Method != http.MethodHead || len(response.Body) > 0) {
		header.Set("Content-Length", strconv.Itoa(len(response.Body)))
	}
	w.WriteHeader(response.Status)
	if !none && r.Method != http.MethodHead {
		_, _ = w.Write(response.Body) // an error means that the client is gone
	}
}
