package admin

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// route is one operation of the API. The table of routes is the source of the handlers and of the
// OpenAPI document.
type route struct {
	method, path string
	about        string
	parameters   []parameter
	request      any  // of the body's type; nil without one
	raw          bool // the body is the message itself, and so is the response
	response     any  // of the type of the response, or of the entries of a stream; nil without one
	stream       bool // the response is a stream of entries
	progress     bool // the response may be a stream of steps, before the response itself
	failures     []int
	handle       func(s *Server, w http.ResponseWriter, r *http.Request) (any, error)
}

// parameter is one of a route, in the path if the path has it, else in the query.
type parameter struct{ name, kind, about string }

var (
	idParameters = []parameter{{"ns", "string", "The namespace of the component."}, {"name", "string", "The name of the component."}}
	number       = []parameter{{"number", "integer", "The number of the dead letter."}}
	target       = parameter{"target", "string", "The component, as namespace/name."}
	streaming    = []parameter{
		{"follow", "boolean", "Go on with the entries that come."},
		{"last", "integer", "How many of the entries that were kept come first; all by default."},
		{"component", "string", "Only entries of this component."},
	}
)

// table is all of the API below /v1.
var table = []route{
	{method: "GET", path: "/v1/snapshot", about: "The state of the host.", response: Snapshot{}, handle: (*Server).getSnapshot},
	{method: "GET", path: "/v1/components", about: "All components, in the order of their ids.", response: []Component{}, handle: (*Server).getComponents},
	{method: "GET", path: "/v1/components/{ns}/{name}", about: "One component.", parameters: idParameters, response: Component{}, failures: []int{404}, handle: (*Server).getComponent},
	{method: "PUT", path: "/v1/components/{ns}/{name}", about: "Make the host run one component as an entry of a file's components says, in YAML or JSON: it is added, replaced or updated. The source is a path on the host's machine.",
		parameters: idParameters, request: configuration{}, response: Applied{}, progress: true, failures: []int{413, 422, 501, 503}, handle: (*Server).putComponent},
	{method: "DELETE", path: "/v1/components/{ns}/{name}", about: "Remove a component.", parameters: idParameters, failures: []int{404, 502, 503}, handle: (*Server).deleteComponent},
	{method: "POST", path: "/v1/components/{ns}/{name}/restart", about: "Make fresh instances of a component. It also brings a component back that has failed.", parameters: idParameters, failures: []int{404, 422, 502, 503}, handle: (*Server).restartComponent},
	{method: "POST", path: "/v1/apply", about: "Make the host run what a configuration file says. A file with mistakes changes nothing.", request: ApplyRequest{}, response: Applied{}, progress: true, failures: []int{413, 422, 501, 503}, handle: (*Server).postApply},
	{method: "POST", path: "/v1/messages", about: "Send a fire-and-forget message: the body. Its sender is airhost/admin.", parameters: []parameter{target}, raw: true, failures: messageFailures, handle: (*Server).postMessage},
	{method: "POST", path: "/v1/requests", about: "Send a request: the body. The answer is the component's response as it is.",
		parameters: []parameter{target, {"timeout", "string", "How long to wait, such as 2s; host.request_timeout by default."}}, raw: true, response: []byte{}, failures: append([]int{502, 504}, messageFailures...), handle: (*Server).postRequest},
	{method: "GET", path: "/v1/dead-letters", about: "The dead letters that are kept, the oldest first, without payloads.", response: []DeadLetter{}, handle: (*Server).getDeadLetters},
	{method: "DELETE", path: "/v1/dead-letters", about: "Forget all dead letters.", response: Dropped{}, handle: (*Server).deleteDeadLetters},
	{method: "GET", path: "/v1/dead-letters/{number}", about: "One dead letter with its payload.", parameters: number, response: DeadLetter{}, failures: []int{404}, handle: (*Server).getDeadLetter},
	{method: "DELETE", path: "/v1/dead-letters/{number}", about: "Forget a dead letter.", parameters: number, failures: []int{404}, handle: (*Server).deleteDeadLetter},
	{method: "POST", path: "/v1/dead-letters/{number}/resend", about: "Send a dead letter again and forget it.", parameters: number, failures: []int{404, 409, 429, 503}, handle: (*Server).resendDeadLetter},
	{method: "GET", path: "/v1/events", about: "Changes of the components' states.", parameters: streaming, response: Event{}, stream: true, failures: []int{429}, handle: (*Server).getEvents},
	{method: "GET", path: "/v1/logs", about: "Lines of the log.", parameters: append(slices.Clone(streaming), parameter{"level", "string", "The least level, such as warn."}),
		response: LogEntry{}, stream: true, failures: []int{429, 501}, handle: (*Server).getLogs},
	{method: "GET", path: "/v1/log-level", about: "The levels of the log.", response: LogLevels{}, failures: []int{501}, handle: (*Server).getLogLevels},
	{method: "PUT", path: "/v1/log-level", about: "Set a level of the log until the host ends.", request: LogLevel{}, failures: []int{413, 501}, handle: (*Server).putLogLevel},
}

var messageFailures = []int{403, 404, 413, 429, 503}

// configuration is the body of a request with the configuration of a component.
type configuration struct{}

// routes returns the handler of the API.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	methods := make(map[string][]string)
	for _, r := range append(slices.Clone(table), route{method: "GET", path: "/v1/openapi.json", handle: (*Server).getOpenAPI}) {
		mux.Handle(r.method+" "+r.path, s.handler(r))
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, known := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", strings.Join(known, ", "))
			writeError(w, &Error{Status: http.StatusMethodNotAllowed, Code: CodeInvalidRequest, Message: r.Method + " is not possible here, want " + strings.Join(known, " or ")})
		})
	}
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", s.getReady)
	if s.config.Metrics != nil {
		mux.Handle("GET /metrics", s.config.Metrics)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: "there is nothing at " + r.URL.Path + ": GET /v1/openapi.json describes all that there is"})
	})
	return mux
}

// answered is returned by handlers that have written the response themselves, an error included.
type answered struct{ err error }

// handler returns the handler of a route.
func (s *Server) handler(of route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, err := of.handle(s, w, r)
		written, isWritten := result.(answered)
		if of.method != http.MethodGet && !of.raw {
			s.audit(r, cmp.Or(err, written.err))
		}
		switch {
		case isWritten && err == nil:
		case err != nil:
			writeError(w, errorOf(err))
		case result == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			writeJSON(w, http.StatusOK, result)
		}
	})
}

// audit logs a request that changes something.
func (s *Server) audit(r *http.Request, err error) {
	if err != nil {
		s.log.Warn("an operator's request failed", "method", r.Method, "path", r.URL.Path, "reason", err.Error())
		return
	}
	s.log.Info("an operator's request", "method", r.Method, "path", r.URL.Path)
}
