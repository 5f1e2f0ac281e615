// Package admin is the API of a running host, for operators, scripts and dashboards: HTTP
// with JSON, and streams as server-sent events. [Server] serves it on a Unix socket or a
// TCP address, [Client] talks to one. docs/admin.md shows its use, and
// GET /v1/openapi.json describes it for other programs.
package admin

import (
	"fmt"
	"strings"
	"time"
)

// Component is the state of a component.
type Component struct {
	ID             string  `json:"id" doc:"Its name in the host, as namespace/name."`
	Engine         string  `json:"engine" doc:"The engine that runs it."`
	State          string  `json:"state" enum:"starting,running,restarting,failed,elsewhere,unplaced" doc:"running if one of its instances does; failed also if it could not be deployed; elsewhere and unplaced with place: any, if another host runs it, or none does."`
	Host           string  `json:"host,omitempty" doc:"The host that runs it, if that is another one."`
	Health         string  `json:"health" enum:"healthy,degraded,unhealthy" doc:"The worst health that an instance has reported."`
	Required       bool    `json:"required" doc:"The host is not ready while it is down."`
	Instances      int     `json:"instances" doc:"Instances that run now."`
	Waiting        int     `json:"waiting" doc:"Messages in its mailbox."`
	Durable        bool    `json:"durable" doc:"It has a durable mailbox."`
	Stored         int     `json:"stored" doc:"Messages in its durable mailbox that were not handled, as far as its host knows."`
	Rate           float64 `json:"rate" doc:"Messages that it has handled, each second, in the last seconds."`
	Memory         int64   `json:"memory" doc:"Bytes of memory of its instances; 0 where the engine cannot tell."`
	Handled        uint64  `json:"handled" doc:"Messages that it has handled, failed ones included."`
	Errors         uint64  `json:"errors" doc:"Calls that failed."`
	Traps          uint64  `json:"traps" doc:"Instances that trapped or were stopped."`
	Restarts       uint64  `json:"restarts" doc:"Instances that took the place of another."`
	LastError      string  `json:"last_error" doc:"Why an instance ended last, or why it could not be deployed."`
	Sent           uint64  `json:"sent" doc:"Messages and requests that it tried to send, those of its publications too, and publications that were refused."`
	Refused        uint64  `json:"refused" doc:"Of these, refused."`
	Requests       uint64  `json:"requests" doc:"Requests that were taken."`
	Canceled       uint64  `json:"canceled" doc:"Of these, canceled."`
	Callbacks      uint64  `json:"callbacks" doc:"Outcomes of requests that it got."`
	Expired        uint64  `json:"expired" doc:"Messages that were dropped from its mailbox because nobody waited for them any more."`
	Timers         int     `json:"timers" doc:"Timers that run."`
	Fired          uint64  `json:"fired" doc:"Timers that have fired."`
	Calls          uint64  `json:"calls" doc:"Functions that it has called."`
	FailedCalls    uint64  `json:"failed_calls" doc:"Of these, without a result."`
	KeyValue       uint64  `json:"keyvalue" doc:"Its calls of wasi:keyvalue."`
	FailedKeyValue uint64  `json:"failed_keyvalue" doc:"Of these, with an error."`
	HTTPRequests   uint64  `json:"http_requests" doc:"Its requests to the web."`
	FailedHTTP     uint64  `json:"failed_http" doc:"Of these, without a response."`
	Files          uint64  `json:"files" doc:"Its calls of files and directories."`
	FailedFiles    uint64  `json:"failed_files" doc:"Of these, with an error."`
	Published      uint64  `json:"published" doc:"Publications that were taken, with any number of subscribers."`
	LogLines       uint64  `json:"log_lines" doc:"Lines that it wrote to the log."`
	LogDrops       uint64  `json:"log_drops" doc:"Of these, dropped because they were too many."`
}

// DeadLetter is a message that was taken and could not be handled.
type DeadLetter struct {
	Number  uint64    `json:"number" doc:"Its number, counted from 1 on since the host started."`
	From    string    `json:"from" doc:"The sender."`
	To      string    `json:"to" doc:"The target."`
	Pattern string    `json:"pattern" enum:"fire-and-forget,request-response" doc:"How it was sent. The sender of a request was told."`
	Reason  string    `json:"reason" doc:"Why it was not handled."`
	Size    int       `json:"size" doc:"Bytes of its payload."`
	Time    time.Time `json:"time" doc:"When it became a dead letter."`
	// Payload is nil in lists. It has the first bytes only if it is shorter than Size.
	Payload []byte `json:"payload,omitempty" doc:"The payload in base64, in the answer for a single dead letter; its first bytes if it was too large to be kept. Secrets of components are replaced in it."`
	// Redacted is set if Payload differs from the message.
	Redacted bool `json:"redacted,omitempty" doc:"Secrets were replaced in the payload. What is sent again is as it was."`
}

// Event is a change of a component's state, or of the cluster's.
type Event struct {
	Number    uint64    `json:"number" doc:"Counts the events from 1 on."`
	Time      time.Time `json:"time"`
	Kind      string    `json:"kind" doc:"What happened: deployed, undeployed, ended, restarted, replacing, replaced, rolled-back, moving, moved, updated, failed or health; and of the cluster connected, disconnected, host-seen or host-gone."`
	Component string    `json:"component,omitempty" doc:"Absent in events of the cluster."`
	Reason    string    `json:"reason,omitempty" doc:"Why it ended, failed or was rolled back, or why the connection or the host is gone."`
	Health    string    `json:"health,omitempty" doc:"Of the kind health."`
	Required  bool      `json:"required,omitempty" doc:"Of the kind failed: the host is not ready without it."`
	// Host and Labels are those of another host of the cluster, or of this one.
	Host   string            `json:"host,omitempty" doc:"Of events of the cluster: the host that was seen or is gone; otherwise this one."`
	Labels map[string]string `json:"labels,omitempty" doc:"Of that host."`
	Missed uint64            `json:"missed,omitempty" doc:"Events before this one that this reader was too slow for."`
}

// LogEntry is a line of the log.
type LogEntry struct {
	Number    uint64         `json:"number" doc:"Counts the lines from 1 on."`
	Time      time.Time      `json:"time"`
	Level     string         `json:"level" enum:"trace,debug,info,warn,error"`
	Message   string         `json:"message"`
	Component string         `json:"component,omitempty" doc:"The component that the line is about, or that wrote it."`
	Attrs     map[string]any `json:"attrs,omitempty" doc:"The other attributes."`
	Missed    uint64         `json:"missed,omitempty" doc:"Lines before this one that this reader was too slow for."`
}

// End is the last entry of a stream that the host ends, with the event's name "end".
type End struct {
	Reason string `json:"reason" enum:"stopping"`
}

// ApplyRequest asks a host to run a configuration file.
type ApplyRequest struct {
	// File is an absolute path on the host's machine; empty for the file that it was
	// started with.
	File   string `json:"file,omitempty" doc:"The configuration file, as an absolute path on the host's machine; the one that it was started with by default."`
	DryRun bool   `json:"dry_run,omitempty" doc:"Check the file and answer what would change, and change nothing."`
}

// Applied are the changes that a host has made, or would make.
type Applied struct {
	File    string   `json:"file,omitempty" doc:"The configuration file."`
	DryRun  bool     `json:"dry_run" doc:"Nothing was changed."`
	Changes []Change `json:"changes" doc:"The components, routes and schedules that differ, and no others."`
	// Warnings are probable mistakes, which are allowed.
	Warnings []Mistake `json:"warnings,omitempty"`
}

// Failed returns the changes that failed.
func (a *Applied) Failed() (failed []Change) {
	for _, c := range a.Changes {
		if c.Error != "" {
			failed = append(failed, c)
		}
	}
	return failed
}

// DrainRequest asks a host to give its components with place: any to other hosts.
type DrainRequest struct {
	Undo bool `json:"undo,omitempty" doc:"Take such components again, which come by and by."`
}

// Drained is a host that has given away all that can run on other hosts, and takes no more.
type Drained struct {
	Undone bool             `json:"undone" doc:"The host takes components again."`
	Moved  []MovedComponent `json:"moved" doc:"The components with place: any that ran here."`
	Here   int              `json:"here" doc:"The components with place: here, which stay until the host stops."`
}

// Failed returns the components that could not move.
func (d *Drained) Failed() (failed []MovedComponent) {
	for _, c := range d.Moved {
		if c.Error != "" {
			failed = append(failed, c)
		}
	}
	return failed
}

// MovedComponent is a component that has moved to another host, or could not.
type MovedComponent struct {
	ID    string `json:"id" doc:"The component."`
	Host  string `json:"host,omitempty" doc:"The host to which it moved, or should have."`
	Error string `json:"error,omitempty" doc:"Why it goes on where it was."`
}

// Change is one difference between a running host and a configuration file.
type Change struct {
	// ID is the component's id, or "gateway", or "schedules".
	ID          string       `json:"id" doc:"The component, or gateway, or schedules."`
	Action      string       `json:"action" enum:"add,replace,update,remove" doc:"replace: a new version takes the old one's place; update: its settings change and its instances go on."`
	Differences []Difference `json:"differences,omitempty" doc:"The keys that differ."`
	Error       string       `json:"error,omitempty" doc:"Why the change failed. What ran before runs on."`
}

// Difference is a key with different values.
type Difference struct {
	Path string `json:"path" doc:"The key, such as limits.memory."`
	Old  string `json:"old,omitempty" doc:"… where it may be a secret."`
	New  string `json:"new,omitempty"`
}

// Progress is a step of a change that takes long.
type Progress struct {
	ID      string  `json:"id" doc:"The component."`
	Step    string  `json:"step" enum:"compiling,compiled,changing,changed,moved,failed"`
	Host    string  `json:"host,omitempty" doc:"To which it moved."`
	Seconds float64 `json:"seconds,omitempty" doc:"How long the step took that ended."`
	Error   string  `json:"error,omitempty" doc:"Why it failed."`
}

// Snapshot is the state of a host.
type Snapshot struct {
	Name           string            `json:"name" doc:"The name of the configuration file, without its folder."`
	File           string            `json:"file,omitempty" doc:"The configuration file."`
	Version        string            `json:"version"`
	PID            int               `json:"pid"`
	Started        time.Time         `json:"started"`
	Ready          bool              `json:"ready"`
	NotReady       string            `json:"not_ready,omitempty" doc:"Why the host is not ready."`
	Cluster        string            `json:"cluster,omitempty" doc:"The cluster that the host is in, if it is in one."`
	Components     int               `json:"components" doc:"Components that are deployed."`
	Counters       map[string]uint64 `json:"counters" doc:"Sums over all components since the start: sent, handled, requests, …"`
	Gauges         map[string]int64  `json:"gauges" doc:"Values of now: waiting, pending, timers, …"`
	Refused        map[string]uint64 `json:"refused" doc:"Messages that were refused, by reason."`
	FailedCalls    map[string]uint64 `json:"failed_calls" doc:"Calls of functions without a result, by reason."`
	FailedKeyValue map[string]uint64 `json:"failed_keyvalue" doc:"Calls of wasi:keyvalue with an error, by its name."`
	FailedHTTP     map[string]uint64 `json:"failed_http" doc:"Requests to the web without a response, by the error-code of wasi:http."`
	FailedFiles    map[string]uint64 `json:"failed_files" doc:"Calls of files and directories with an error, by its class: denied, quota or failed."`
	Waits          []Wait            `json:"waits" doc:"Calls of functions in progress."`
	Budgets        []Budget          `json:"budgets"`
}

// Wait is a call of a function that a component provides, at this moment.
type Wait struct {
	Caller   string `json:"caller"`
	Function string `json:"function"`
	Provider string `json:"provider"`
	Served   bool   `json:"served" doc:"An instance handles the call; otherwise it waits for one."`
}

// Budget is the use of a namespace's budget.
type Budget struct {
	Namespace         string  `json:"namespace"`
	Memory            int64   `json:"memory" doc:"Bytes; 0 is without a bound, as in the following."`
	MemoryTaken       int64   `json:"memory_taken"`
	MessagesPerSecond int     `json:"messages_per_second"`
	Refused           uint64  `json:"refused" doc:"Messages that were refused."`
	RunningTime       float64 `json:"running_time" doc:"Seconds in each second."`
	Ran               float64 `json:"ran" doc:"Seconds since the start."`
	Paused            bool    `json:"paused"`
	Pauses            uint64  `json:"pauses"`
}

// LogLevels are the least levels that are logged.
type LogLevels struct {
	Level      string            `json:"level" enum:"trace,debug,info,warn,error" doc:"Of the host and all components that have none of their own."`
	Components map[string]string `json:"components" doc:"Of single components."`
}

// LogLevel sets a level.
type LogLevel struct {
	Level string `json:"level" enum:"trace,debug,info,warn,error,default" doc:"default: a component has no level of its own any more."`
	// Component is empty for the host.
	Component string `json:"component,omitempty" doc:"For this component alone."`
}

// Dropped says how many dead letters were dropped.
type Dropped struct {
	Dropped int `json:"dropped"`
}

// Place is a position in a configuration file.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty" doc:"Counted from 1; absent for a mistake of the whole file."`
	Column int    `json:"column,omitempty" doc:"Counted from 1, in characters."`
	Path   string `json:"path,omitempty" doc:"The key, such as components[1].limits.memory."`
	// Excerpt is the line with a caret below.
	Excerpt string `json:"excerpt,omitempty"`
}

// Mistake is one thing that is wrong in a configuration file.
type Mistake struct {
	Message string `json:"message"`
	Place   Place  `json:"place"`
}

// Error is the reason why the host has refused a request, or why it failed.
type Error struct {
	Status  int    `json:"-"` // of HTTP
	Code    string `json:"code" doc:"A word for programs."`
	Message string `json:"message" doc:"A sentence for people."`
	// Place is that of the first of the Mistakes.
	Place *Place `json:"place,omitempty"`
	// Mistakes are all mistakes of a configuration file.
	Mistakes []Mistake `json:"mistakes,omitempty"`
}

// The codes of errors that are not those of messages. A message that is refused or fails has
// the contract's word, such as queue-full or timeout.
const (
	CodeInvalidRequest       = "invalid-request"
	CodeInvalidConfiguration = "invalid-configuration"
	CodeUnauthorized         = "unauthorized"
	CodeNotFound             = "not-found"
	CodeConflict             = "conflict" // such as a dead letter that was not kept whole
	CodeTooLarge             = "too-large"
	CodeTooMany              = "too-many" // streams, requests or connections at the same time
	CodeSlowRequest          = "slow-request"
	CodeNotSupported         = "not-supported"
	CodeFailed               = "failed"
	CodeStopping             = "stopping"
)

// Error returns the message, or all mistakes with their places, one below the other.
func (e *Error) Error() string {
	if len(e.Mistakes) == 0 {
		return e.Message
	}
	var all []string
	for _, m := range e.Mistakes {
		all = append(all, m.String())
	}
	return strings.Join(all, "\n")
}

// String returns the mistake as "file:line:column: path: message", with its excerpt below.
func (m Mistake) String() string {
	text := m.Place.File
	if m.Place.Line > 0 {
		text += fmt.Sprintf(":%d:%d", m.Place.Line, m.Place.Column)
	}
	for _, part := range []string{m.Place.Path, m.Message} {
		if part != "" {
			text += ": " + part
		}
	}
	if m.Place.Excerpt != "" {
		text += "\n" + m.Place.Excerpt
	}
	return text
}

// answer is the body of an error's response.
type answer struct {
	Error *Error `json:"error"`
}
