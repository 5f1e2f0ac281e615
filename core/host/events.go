package host

import (
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

// EventKind is a change of a component's state.
type EventKind string

// The kinds.
const (
	EventDeployed   EventKind = "deployed"
	EventUndeployed EventKind = "undeployed"
	EventEnded      EventKind = "ended"       // its instance trapped, was stopped, or broke the ABI
	EventRestarted  EventKind = "restarted"   // a fresh instance took its place
	EventReplacing  EventKind = "replacing"   // a new version starts beside it
	EventReplaced   EventKind = "replaced"    // the new version has taken its place
	EventRolledBack EventKind = "rolled-back" // the new version, or the other host, could not: the old one goes on here
	EventMoving     EventKind = "moving"      // it moves to another host, and handles no messages
	EventMoved      EventKind = "moved"       // another host has it now
	EventUpdated    EventKind = "updated"     // its settings have changed
	EventFailed     EventKind = "failed"      // all of its instances ended more often than its restart policy allows
	EventHealth     EventKind = "health"      // its health changed
)

// Event is one change of a component's state.
type Event struct {
	Time      time.Time
	Kind      EventKind
	Component core.ComponentID
	Reason    error             // why it ended, failed or was rolled back, or why shutdown failed
	Health    core.HealthStatus // of EventHealth
	Required  bool              // of EventFailed: [Deployment.Required]
	Missed    uint64            // events before this one that the subscriber had no room for
}

// events hands state changes to subscribers, and never waits for one.
type events struct {
	mu          mutex[ofLeaf] // guards the following
	subscribers map[*subscriber]struct{}
	closed      bool
}

type subscriber struct {
	events chan Event
	missed atomic.Uint64
}

// Subscribe returns a channel that holds up to buffer state changes of
// components. A subscriber that does not keep up misses events, and is told how
// many. cancel ends the subscription and closes the channel; so does the end of
// Stop.
func (h *Host) Subscribe(buffer int) (changes <-chan Event, cancel func()) {
	s := &subscriber{events: make(chan Event, max(buffer, 1))}
	e := &h.events
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.subscribers == nil {
		e.subscribers = make(map[*subscriber]struct{})
	}
	if e.closed {
		close(s.events)
	} else {
		e.subscribers[s] = struct{}{}
	}
	return s.events, func() { e.cancel(s) }
}

func (e *events) cancel(s *subscriber) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, subscribed := e.subscribers[s]; subscribed {
		delete(e.subscribers, s)
		close(s.events)
	}
}

// close ends all subscriptions.
func (e *events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	for s := range e.subscribers {
		delete(e.subscribers, s)
		close(s.events)
	}
}

func (e *events) publish(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.subscribers {
		event.Missed = s.missed.Load()
		select {
		case s.events <- event:
			s.missed.Add(-event.Missed)
		default:
			s.missed.Add(1)
		}
	}
}

// eventLevels are the log levels of events.
var eventLevels = map[EventKind]slog.Level{
	EventDeployed: slog.LevelInfo, EventUndeployed: slog.LevelInfo, EventEnded: slog.LevelError,
	EventRestarted: slog.LevelInfo, EventFailed: slog.LevelError, EventHealth: slog.LevelInfo,
	EventReplacing: slog.LevelInfo, EventReplaced: slog.LevelInfo, EventRolledBack: slog.LevelError, EventUpdated: slog.LevelInfo,
	EventMoving: slog.LevelInfo, EventMoved: slog.LevelInfo,
}

// emit logs a state change and tells the subscribers.
func (h *Host) emit(event Event, attrs ...any) {
	event.Time = time.Now()
	attrs = append([]any{"component", event.Component.String()}, attrs...)
	if event.Reason != nil {
		attrs = append(attrs, "reason", event.Reason.Error())
	}
	if event.Kind == EventEnded { // an EventFailed that follows comes without them
		attrs = append(attrs, lastWords(event.Reason)...)
	}
	if event.Kind == EventHealth {
		attrs = append(attrs, "health", event.Health.String())
	}
	if event.Required {
		attrs = append(attrs, "required", true)
	}
	h.log.Log(h.background, eventLevels[event.Kind], "component "+string(event.Kind), attrs...)
	h.events.publish(event)
}

// lastWords are the details of an end beside its reason: the last output of the guest,
// and its stack.
func lastWords(reason error) (attrs []any) {
	var trap *core.TrapError
	if !errors.As(reason, &trap) {
		return nil
	}
	if trap.Stderr != "" {
		attrs = append(attrs, "stderr", trap.Stderr)
	}
	if trap.Details != "" {
		attrs = append(attrs, "details", trap.Details)
	}
	return attrs
}
