package http

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

// Pattern is the way in which a route calls its component.
type Pattern string

// The patterns.
const (
	// RequestResponse answers with the component's response.
	RequestResponse Pattern = "request-response"
	// FireAndForget answers with 202 once the message has been taken.
	FireAndForget Pattern = "fire-and-forget"
	// HTTP passes the whole request, and answers with the response that the component's is: both
	// are messages of HTTP/1.1 (RFC 9112, application/http).
	HTTP Pattern = "http"
)

// Envelope is the form in which a component gets a request.
type Envelope string

// The envelopes.
const (
	// EnvelopeNone is the body as it is.
	EnvelopeNone Envelope = "none"
	// EnvelopeCloudEvents is a CloudEvent in JSON; see docs/gateway.md.
	EnvelopeCloudEvents Envelope = "cloudevents"
)

// Route says which component answers which requests.
type Route struct {
	// Path is a pattern of [http.ServeMux]: /orders, /orders/{id}, /files/{path...}, /.
	Path     string
	Methods  []string         // such as POST; all if there are none
	Target   core.ComponentID // need not be deployed yet
	Pattern  Pattern          // RequestResponse by default
	Timeout  time.Duration    // of a request; that of the host by default
	Envelope Envelope         // EnvelopeNone by default
	Headers  []string         // of the request, which an envelope has; none by default
}

// method is a method of RFC 9110 in capitals.
var method = regexp.MustCompile(`^[A-Z]+$`)

func (r *Route) normalize() error {
	if r.Target.IsZero() {
		return errors.New("there is no target")
	}
	r.Pattern, r.Envelope = cmp.Or(r.Pattern, RequestResponse), cmp.Or(r.Envelope, EnvelopeNone)
	switch {
	case r.Path == "" || r.Path[0] != '/':
		return fmt.Errorf("the path %q does not begin with a slash", r.Path)
	case r.Pattern != RequestResponse && r.Pattern != FireAndForget && r.Pattern != HTTP:
		return fmt.Errorf("the pattern is %q, want %s, %s or %s", r.Pattern, RequestResponse, FireAndForget, HTTP)
	case r.Envelope != EnvelopeNone && r.Envelope != EnvelopeCloudEvents:
		return fmt.Errorf("the envelope is %q, want %s or %s", r.Envelope, EnvelopeNone, EnvelopeCloudEvents)
	case r.Pattern == HTTP && r.Envelope != EnvelopeNone:
		return fmt.Errorf("the pattern %s passes the whole request: leave out the envelope", HTTP)
	case len(r.Headers) > 0 && r.Envelope == EnvelopeNone:
		return errors.New("headers need an envelope")
	}
	for _, m := range r.Methods {
		if !method.MatchString(m) {
			return fmt.Errorf("the method is %q, want capital letters", m)
		}
	}
	return core.CheckTime("timeout", r.Timeout, time.Millisecond, core.MaxTimeout)
}

// RouteError says which route is wrong, and why.
type RouteError struct {
	Index int // of the route
	Path  string
	Err   error
}

// Error implements error.
func (e *RouteError) Error() string { return fmt.Sprintf("gateway: route %s: %v", e.Path, e.Err) }

// Unwrap returns Err.
func (e *RouteError) Unwrap() error { return e.Err }

// CheckRoutes returns a [RouteError] for the first route that is wrong, or that matches the same
// requests as one before it, or nil.
func CheckRoutes(routes []Route) error {
	_, err := (*Gateway)(nil).mux(routes)
	return err
}

// SetRoutes replaces all routes; requests in progress end by the old ones. The error is that of
// [CheckRoutes]. Nothing has changed then.
func (g *Gateway) SetRoutes(routes []Route) error {
	mux, err := g.mux(routes)
	if err != nil {
		return err
	}
	g.routes.Store(mux)
	return nil
}

func (g *Gateway) mux(routes []Route) (*http.ServeMux, error) {
	mux := http.NewServeMux()
	for i, r := range routes {
		err := r.normalize()
		if err == nil {
			err = add(mux, r.patterns(), &answerer{g, r, parameters(r.Path)})
		}
		if err != nil {
			return nil, &RouteError{i, r.Path, err}
		}
	}
	return mux, nil
}

// patterns returns the patterns of a mux for the route.
func (r *Route) patterns() (all []string) {
	path := r.Path
	if path[len(path)-1] == '/' {
		path += "{$}" // it stands for itself, not for all below
	}
	for _, m := range r.Methods {
		all = append(all, m+" "+path)
	}
	if len(all) == 0 {
		return []string{path}
	}
	return slices.Compact(all)
}

// add registers a handler. The mux panics on patterns that are wrong.
func add(mux *http.ServeMux, patterns []string, h http.Handler) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = errors.New(registered.ReplaceAllString(fmt.Sprint(cause), ""))
		}
	}()
	for _, p := range patterns {
		mux.Handle(p, h)
	}
	return nil
}

// registered is the place in the code that a mux names in its panics.
var registered = regexp.MustCompile(` \(registered at [^)]*\)`)

// parameter is a part of a path that stands for others.
var parameter = regexp.MustCompile(`\{(\w+)(?:\.\.\.)?\}`)

// parameters returns the names in a path.
func parameters(path string) (names []string) {
	for _, match := range parameter.FindAllStringSubmatch(path, -1) {
		names = append(names, match[1])
	}
	return names
}
