package admin

import (
	"cmp"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

func (s *Server) getLive(w http.ResponseWriter, _ *http.Request) (any, error) {
	s.writeText(w, http.StatusOK, "ok\n")
	return answered{}, nil
}

func (s *Server) getReady(w http.ResponseWriter, _ *http.Request) (any, error) {
	status, text := http.StatusOK, "ok"
	if err := s.ready(); err != nil {
		status, text = http.StatusServiceUnavailable, err.Error()
	}
	s.writeText(w, status, text+"\n")
	return answered{}, nil
}

func (s *Server) getMetrics(w http.ResponseWriter, r *http.Request) (any, error) {
	if s.config.Metrics == nil {
		return nil, &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: "this host has no metrics"}
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.config.WriteTimeout)) // all our connections have one
	s.config.Metrics.ServeHTTP(w, r)
	return answered{}, nil
}

func (s *Server) getOpenAPI(w http.ResponseWriter, _ *http.Request) (any, error) {
	s.write(w, http.StatusOK, jsonText, s.description)
	return answered{}, nil
}

func (s *Server) ready() error {
	if s.config.Manager == nil {
		return nil
	}
	return s.config.Manager.Ready()
}

func (s *Server) getSnapshot(http.ResponseWriter, *http.Request) (any, error) {
	n := s.config.Host.Snapshot()
	all := &Snapshot{
		Name: s.config.Name, File: s.config.File, Version: s.config.Version, PID: os.Getpid(), Started: s.started, Ready: true,
		Components: n.Components, Refused: n.Refused, FailedCalls: n.FailedCalls, FailedKeyValue: n.FailedKeyValue, FailedHTTP: n.FailedHTTP, FailedFiles: n.FailedFiles, Waits: []Wait{}, Budgets: []Budget{},
		Counters: map[string]uint64{
			"sent": n.Sent, "handled": n.Handled, "expired": n.Expired, "fired": n.Fired, "dead_letters": n.DeadLetters, "left": n.Left, "arrived": n.Arrived,
			"requests": n.Requests, "timeouts": n.Timeouts, "canceled": n.Canceled, "callbacks": n.Callbacks, "late": n.Late, "orphans": n.Orphans,
			"traps": n.Traps, "restarts": n.Restarts, "errors": n.Errors, "workers_held_up": n.WorkersHeldUp, "audit_dropped": n.AuditDropped,
			"log_lines": n.LogLines, "log_drops": n.LogDrops, "calls": n.Calls, "keyvalue": n.KeyValue, "files": n.Files, "http_requests": n.HTTPRequests, "published": n.Published,
		},
		Gauges: map[string]int64{"waiting": int64(n.Waiting), "pending": int64(n.Pending), "timers": int64(n.Timers), "held_up_now": int64(n.HeldUpNow), "memory": n.Memory},
	}
	if err := s.ready(); err != nil {
		all.Ready, all.NotReady = false, err.Error()
	}
	if c, ok := s.config.Host.Cluster(); ok {
		all.Cluster = c.Name
	}
	for _, w := range n.Waits {
		all.Waits = append(all.Waits, Wait{Caller: w.Caller.String(), Function: w.Function, Provider: w.Provider.String(), Served: w.Served})
	}
	for _, b := range s.config.Host.Budgets() {
		all.Budgets = append(all.Budgets, Budget{
			Namespace: b.Namespace, Memory: b.Memory, MemoryTaken: b.MemoryTaken, MessagesPerSecond: b.MessagesPerSecond, Refused: b.Refused,
			RunningTime: b.RunningTime.Seconds(), Ran: b.Ran.Seconds(), Paused: b.Paused, Pauses: b.Pauses,
		})
	}
	return all, nil
}

func (s *Server) getComponents(http.ResponseWriter, *http.Request) (any, error) {
	return s.components(), nil
}

func (s *Server) getComponent(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := idOf(r)
	if err != nil {
		return nil, err
	}
	for _, c := range s.components() {
		if c.ID == id.String() {
			return &c, nil
		}
	}
	return nil, noComponent(id)
}

func noComponent(id core.ComponentID) error {
	return &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: "there is no component " + id.String()}
}

// components returns all components, in the order of their ids.
func (s *Server) components() []Component {
	all := []Component{}
	deployed := s.config.Host.Components()
	known := make(map[string]bool, len(deployed))
	for _, c := range deployed {
		all = append(all, s.component(c))
		known[c.ID.String()] = true
	}
	for _, c := range s.notDeployed() {
		if !known[c.ID] {
			c.Health = cmp.Or(c.Health, core.HealthUnhealthy.String())
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b Component) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// notDeployed returns the components of the configuration that the host does not have.
func (s *Server) notDeployed() []Component {
	if s.config.Manager == nil {
		return nil
	}
	return s.config.Manager.Failed()
}

// component is a component's status for a client.
func (s *Server) component(c host.ComponentStatus) Component {
	n, id := c.Counters, c.ID.String()
	return Component{
		ID: id, Engine: c.Engine, State: c.State, Health: c.Health.String(), Required: c.Required,
		Instances: c.Instances, Waiting: c.Waiting, Durable: c.Durable, Stored: c.Stored, Rate: s.rates.of(id), Memory: c.Memory,
		Handled: n.Handled, Errors: n.Errors, Traps: n.Traps, Restarts: n.Restarts, LastError: c.LastError,
		Sent: n.Sent, Refused: n.Refused, Requests: n.Requests, Canceled: n.Canceled, Callbacks: n.Callbacks, Expired: n.Expired,
		Timers: c.Timers, Fired: c.Fired, Calls: c.Calls, FailedCalls: c.FailedCalls, KeyValue: c.KeyValue, FailedKeyValue: c.FailedKeyValue, HTTPRequests: c.HTTPRequests, FailedHTTP: c.FailedHTTP, Files: c.Files, FailedFiles: c.FailedFiles, Published: c.Published, LogLines: n.LogLines, LogDrops: n.LogDrops,
	}
}

func (s *Server) restartComponent(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := idOf(r)
	if err != nil {
		return nil, err
	}
	if s.config.Manager != nil {
		return nil, s.config.Manager.Restart(r.Context(), id)
	}
	return nil, s.config.Host.Restart(r.Context(), id)
}

func (s *Server) deleteComponent(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := idOf(r)
	if err != nil {
		return nil, err
	}
	if s.config.Manager != nil {
		return nil, s.config.Manager.Undeploy(r.Context(), id)
	}
	return nil, s.config.Host.Undeploy(r.Context(), id)
}

func (s *Server) putComponent(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := idOf(r)
	if err != nil {
		return nil, err
	}
	body, err := readBody(w, r, maxConfiguration)
	if err != nil {
		return nil, err
	}
	return change(s, w, r, func(progress func(Progress)) (*Applied, error) {
		return s.config.Manager.Put(r.Context(), id, body, progress)
	})
}

func (s *Server) postApply(w http.ResponseWriter, r *http.Request) (any, error) {
	var request ApplyRequest
	if err := readJSON(w, r, &request); err != nil {
		return nil, err
	}
	if request.File != "" && !filepath.IsAbs(request.File) {
		return nil, invalid("file is %q, want an absolute path on the host's machine", request.File)
	}
	return change(s, w, r, func(progress func(Progress)) (*Applied, error) {
		return s.config.Manager.Apply(r.Context(), request, progress)
	})
}

func (s *Server) postDrain(w http.ResponseWriter, r *http.Request) (any, error) {
	var request DrainRequest
	if err := readJSON(w, r, &request); err != nil {
		return nil, err
	}
	return change(s, w, r, func(progress func(Progress)) (*Drained, error) {
		return s.config.Manager.Drain(r.Context(), request, progress)
	})
}

func (s *Server) getDeadLetters(http.ResponseWriter, *http.Request) (any, error) {
	all := []DeadLetter{}
	for _, l := range s.config.Host.DeadLetters() {
		all = append(all, deadLetter(l))
	}
	return all, nil
}

// deadLetter is a dead letter for a client, without its payload.
func deadLetter(l host.DeadLetter) DeadLetter {
	d := DeadLetter{Number: l.Number, From: l.Sender.String(), To: l.Target.String(), Pattern: "fire-and-forget", Reason: l.Reason, Size: l.Size, Time: l.Time}
	if l.Request {
		d.Pattern = "request-response"
	}
	return d
}

func (s *Server) getDeadLetter(_ http.ResponseWriter, r *http.Request) (any, error) {
	number, err := numberOf(r)
	if err != nil {
		return nil, err
	}
	l, err := s.config.Host.DeadLetter(number)
	if err != nil {
		return nil, err
	}
	d := deadLetter(l)
	d.Payload = l.Payload
	if clean := s.config.Host.Redactor().Text(string(l.Payload)); clean != string(l.Payload) {
		d.Payload, d.Redacted = []byte(clean), true
	}
	return &d, nil
}

func (s *Server) deleteDeadLetters(http.ResponseWriter, *http.Request) (any, error) {
	var d Dropped
	for _, l := range s.config.Host.DeadLetters() {
		if s.config.Host.DropDeadLetter(l.Number) == nil { // or somebody else was faster
			d.Dropped++
		}
	}
	return &d, nil
}

func (s *Server) deleteDeadLetter(_ http.ResponseWriter, r *http.Request) (any, error) {
	number, err := numberOf(r)
	if err != nil {
		return nil, err
	}
	return nil, s.config.Host.DropDeadLetter(number)
}

func (s *Server) resendDeadLetter(_ http.ResponseWriter, r *http.Request) (any, error) {
	number, err := numberOf(r)
	if err != nil {
		return nil, err
	}
	return nil, s.config.Host.Resend(number)
}

// written is the result of a handler that has written its response, unless there is an error.
func written(err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return answered{}, nil
}

func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) (any, error) {
	s.catchUp()
	return written(streamFeed(s, w, r, &s.events, func(e *Event, want selection) bool {
		return want.component == "" || want.component == e.Component
	}))
}

func (s *Server) getLogs(w http.ResponseWriter, r *http.Request) (any, error) {
	if s.config.Log == nil {
		return nil, unsupported("log that could be read")
	}
	return written(streamFeed(s, w, r, &s.config.Log.lines, func(e *LogEntry, want selection) bool {
		level, _ := parseLevel(e.Level) // we wrote it
		return (want.component == "" || want.component == e.Component) && int(level) >= want.level
	}))
}

func (s *Server) getLogLevels(http.ResponseWriter, *http.Request) (any, error) {
	if s.config.Log == nil {
		return nil, unsupported("log whose level could be changed")
	}
	return s.config.Log.Levels(), nil
}

func (s *Server) putLogLevel(w http.ResponseWriter, r *http.Request) (any, error) {
	var request LogLevel
	if err := readJSON(w, r, &request); err != nil {
		return nil, err
	}
	if s.config.Log == nil {
		return nil, unsupported("log whose level could be changed")
	}
	var id core.ComponentID
	if request.Component != "" {
		var err error
		if id, err = core.ParseComponentID(request.Component); err != nil {
			return nil, invalid("component: %v", err)
		}
		if !s.knows(id) {
			return nil, noComponent(id)
		}
	}
	return nil, s.config.Log.SetLevel(id, request.Level)
}

func (s *Server) knows(id core.ComponentID) bool {
	return slices.ContainsFunc(s.components(), func(c Component) bool { return c.ID == id.String() })
}
