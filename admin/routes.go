package admin

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/nearest"
)

// route is one operation of the API. The table of routes is the source of the handlers and of the
// OpenAPI document.
type route struct {
	method, path string
	about        string
	parameters   []parameter
	open         bool   // no token is needed
	request      any    // of the body's type; nil without one
	raw          bool   // the body is the message itself, and so is the response
	response     any    // of the type of the response, or of the entries of a stream; nil without one
	kind         string // of a response that is not of a type of this package
	stream       bool   // the response is a stream of entries
	progress     bool   // the response may be a stream of steps, before the response itself
	failures     []int  // beside those that all routes have: see commonFailures
	handle       func(s *Server, w http.ResponseWriter, r *http.Request) (any, error)
}

// parameter is one of a route, in the path if the path has it, else in the query.
type parameter struct{ name, kind, about string }

var (
	idParameters = []parameter{{"ns", "string", "The namespace of the component."}, {"name", "string", "The name of the component."}}
	number       = []parameter{{"number", "integer", "The number of the dead letter."}}
	target       = parameter{"target", "string", "The component, as namespace/name."}
	timeout      = parameter{"timeout", "string", "How long to wait, such as 2s; host.request_timeout by default."}
	streaming    = []parameter{
		{"follow", "boolean", "Go on with the entries that come."},
		{"last", "integer", "How many of the entries that were kept come first; all by default."},
		{"component", "string", "Only entries of this component."},
	}
	leastLevel = parameter{"level", "string", "The least level, such as warn."}
)

const (
	plainText = "text/plain"
	jsonText  = "application/json"
)

// table is the API but for key-value.
var table = []route{
	{method: "GET", path: "/livez", about: "ok while the host runs.", open: true, kind: plainText, handle: (*Server).getLive},
	{method: "GET", path: "/readyz", about: "ok, or 503 and the reason while the host starts, stops, or lacks a required component.", open: true, kind: plainText, handle: (*Server).getReady},
	{method: "GET", path: "/metrics", about: "The counters and gauges for Prometheus.", open: true, kind: plainText, failures: []int{404}, handle: (*Server).getMetrics},
	{method: "GET", path: "/v1/openapi.json", about: "This document.", kind: jsonText, handle: (*Server).getOpenAPI},
	{method: "GET", path: "/v1/snapshot", about: "The state of the host.", response: Snapshot{}, handle: (*Server).getSnapshot},
	{method: "GET", path: "/v1/components", about: "All components, in the order of their ids.", response: []Component{}, handle: (*Server).getComponents},
	{method: "GET", path: "/v1/components/{ns}/{name}", about: "One component.", parameters: idParameters, response: Component{}, failures: []int{404}, handle: (*Server).getComponent},
	{method: "PUT", path: "/v1/components/{ns}/{name}", about: "Make the host run one component as an entry of a file's components says, in YAML or JSON: it is added, replaced or updated. The source is a path on the host's machine.",
		parameters: idParameters, request: configuration{}, response: Applied{}, progress: true, failures: append([]int{404, 422, 501}, changeFailures...), handle: (*Server).putComponent},
	{method: "DELETE", path: "/v1/components/{ns}/{name}", about: "Remove a component.", parameters: idParameters, failures: append([]int{404}, changeFailures...), handle: (*Server).deleteComponent},
	{method: "POST", path: "/v1/components/{ns}/{name}/restart", about: "Make fresh instances of a component. It also brings a component back that has failed.",
		parameters: idParameters, failures: append([]int{404, 422}, changeFailures...), handle: (*Server).restartComponent},
	{method: "POST", path: "/v1/apply", about: "Make the host run what a configuration file says. A file with mistakes changes nothing.",
		request: ApplyRequest{}, response: Applied{}, progress: true, failures: append([]int{422, 501}, changeFailures...), handle: (*Server).postApply},
	{method: "POST", path: "/v1/drain", about: "Give the components with place: any to other hosts of the cluster, with their state, and take no more. Those with place: here stay.",
		request: DrainRequest{}, response: Drained{}, progress: true, failures: append([]int{501}, changeFailures...), handle: (*Server).postDrain},
	{method: "POST", path: "/v1/messages", about: "Send a fire-and-forget message: the body. Its sender is airhost/admin.", parameters: []parameter{target}, raw: true, failures: messageFailures, handle: (*Server).postMessage},
	{method: "POST", path: "/v1/requests", about: "Send a request: the body. The answer is the component's response as it is.",
		parameters: []parameter{target, timeout}, raw: true, response: []byte{}, failures: append([]int{502, 504}, messageFailures...), handle: (*Server).postRequest},
	{method: "GET", path: "/v1/dead-letters", about: "The dead letters that are kept, the oldest first, without payloads.", response: []DeadLetter{}, handle: (*Server).getDeadLetters},
	{method: "DELETE", path: "/v1/dead-letters", about: "Forget all dead letters.", response: Dropped{}, failures: []int{429}, handle: (*Server).deleteDeadLetters},
	{method: "GET", path: "/v1/dead-letters/{number}", about: "One dead letter with its payload.", parameters: number, response: DeadLetter{}, failures: []int{404}, handle: (*Server).getDeadLetter},
	{method: "DELETE", path: "/v1/dead-letters/{number}", about: "Forget a dead letter.", parameters: number, failures: []int{404, 429}, handle: (*Server).deleteDeadLetter},
	{method: "POST", path: "/v1/dead-letters/{number}/resend", about: "Send a dead letter again and forget it.", parameters: number, failures: []int{404, 409, 413, 429}, handle: (*Server).resendDeadLetter},
	{method: "GET", path: "/v1/cluster", about: "The cluster, with the states of all hosts, which are asked.", response: Cluster{}, failures: []int{429, 501}, handle: (*Server).getCluster},
	{method: "GET", path: "/v1/events", about: "Changes of the components' states, and of the cluster.", parameters: streaming, response: Event{}, stream: true, failures: []int{429}, handle: (*Server).getEvents},
	{method: "GET", path: "/v1/logs", about: "Lines of the log.", parameters: append(slices.Clone(streaming), leastLevel), response: LogEntry{}, stream: true, failures: []int{429, 501}, handle: (*Server).getLogs},
	{method: "GET", path: "/v1/log-level", about: "The levels of the log.", response: LogLevels{}, failures: []int{501}, handle: (*Server).getLogLevels},
	{method: "PUT", path: "/v1/log-level", about: "Set a level of the log until the host ends.", request: LogLevel{}, failures: []int{404, 429, 501}, handle: (*Server).putLogLevel},
}

// allRoutes are the table and those of the key-value store.
func allRoutes() []route { return slices.Concat(table, keyValueRoutes) }

var (
	messageFailures = []int{403, 404, 429}
	changeFailures  = []int{409, 429, 502, 504}
)

// commonFailures are the statuses of failures that each request may meet: wrong parameters, no
// token, and a host that is stopping.
func (r *route) commonFailures() (all []int) {
	all = []int{http.StatusServiceUnavailable, http.StatusBadRequest}
	if !r.open {
		all = append(all, http.StatusUnauthorized)
	}
	if r.request != nil || r.raw {
		all = append(all, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge)
	}
	return all
}

// configuration is the body of a request with the configuration of a component.
type configuration struct{}

// routes returns the handler of the API.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	methods := make(map[string][]string)
	for _, r := range allRoutes() {
		mux.Handle(r.method+" "+r.path, s.handler(r))
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, known := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", strings.Join(known, ", "))
			s.writeError(w, &Error{Status: http.StatusMethodNotAllowed, Code: CodeInvalidRequest, Message: core.CutText(r.Method, 50) + " is not possible here, want " + strings.Join(known, " or ")})
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.writeError(w, nothingAt(r)) })
	return mux
}

// nothingAt returns the error for a path that the API does not have.
func nothingAt(r *http.Request) *Error {
	text := "there is nothing at " + core.CutText(r.URL.Path, 200) + ": "
	if near := nearestPath(path.Clean("/" + r.URL.Path)); near != "" {
		text += "did you mean " + near + "? "
	}
	return &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: text + "GET /v1/openapi.json describes all that there is"}
}

// nearestPath returns the path of the API that is the nearest to another one, or "".
func nearestPath(asked string) string {
	var all []string
	parts := strings.Split(asked, "/")
	for _, r := range allRoutes() {
		names := strings.Split(r.path, "/")
		for i, name := range names {
			if strings.HasPrefix(name, "{") && len(names) == len(parts) {
				names[i] = parts[i]
			}
		}
		all = append(all, strings.Join(names, "/"))
	}
	return nearest.Of(asked, all)
}

// answered is returned by handlers that have written the response themselves, also with an error.
type answered struct{}

// handler returns the handler of a route.
func (s *Server) handler(of route) http.Handler {
	progress := &s.changes
	if of.raw {
		progress = &s.messages
	}
	bounded := of.method != http.MethodGet
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if bounded && !progress.take(1) {
			s.writeError(w, errorOf(tooMany("there are %d requests of this kind in progress: try again", s.config.MaxRequests)))
			return
		}
		if bounded {
			defer progress.give(1)
		}
		result, err := any(nil), of.checkQuery(r)
		if err == nil {
			result, err = of.handle(s, w, r)
		}
		if bounded && !of.raw {
			s.audit(r, err)
		}
		switch {
		case result == answered{}:
		case err != nil:
			s.writeError(w, errorOf(err))
		case result == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			s.writeJSON(w, http.StatusOK, result)
		}
	})
}

// checkQuery returns an error for parameters that the route does not have.
func (r *route) checkQuery(request *http.Request) error {
	query, err := url.ParseQuery(request.URL.RawQuery)
	if err != nil {
		return invalid("the query cannot be read: %v", err)
	}
	var known []string
	for _, p := range r.parameters {
		if !r.inPath(p) {
			known = append(known, p.name)
		}
	}
	for name, values := range query {
		switch near := nearest.Of(name, known); {
		case slices.Contains(known, name) && len(values) == 1:
		case slices.Contains(known, name):
			return invalid("the parameter %s is there %d times", name, len(values))
		case near != "":
			return invalid("there is no parameter %.100q here, did you mean %s?", name, near)
		default:
			return invalid("there is no parameter %.100q here", name)
		}
	}
	return nil
}

func (r *route) inPath(p parameter) bool { return strings.Contains(r.path, "{"+p.name+"}") }

// audit logs a request that changes something.
func (s *Server) audit(r *http.Request, err error) {
	if err != nil {
		s.log.Warn("an operator's request failed", "method", r.Method, "path", r.URL.Path, "reason", err.Error())
		return
	}
	s.log.Info("an operator's request", "method", r.Method, "path", r.URL.Path)
}
