package host

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
)

// maxRoutes is how many targets a sender keeps in mind.
const maxRoutes = 4096

// outbox is a component's sending side. It belongs to the component's owner.
type outbox struct {
	quota    bucket
	pending  int              // requests whose callback has not been called
	reserved []core.RequestID // of its next requests, if there are
	spoke    bool             // something was sent by a grant since its last call began

	epoch  uint64 // of the host's configuration, for which the routes hold
	last   *route
	routes map[string]*route
}

// route is what a sender knows of a target: the verdict on its messages, and
// where they go. It holds until the host's configuration changes.
type route struct {
	id       core.ComponentID
	receiver core.Receiver
	local    *component // receiver, where it is a component of this host's
	send     error      // why fire-and-forget is refused, or nil
	request  error      // why request-response is refused, or nil
	grant    core.Grant
	short    uint8 // relays in a row that were; see answers
}

func (r *route) deliver(m *core.Message, w *worker) error {
	if r.local != nil {
		return r.local.deliver(m, w, false)
	}
	if err := r.receiver.Deliver(m); err != nil {
		return boundError(err)
	}
	return nil
}

// SendMessage implements [core.Services].
func (c *component) SendMessage(target, message []byte) error {
	c.counts.Sent++
	r, err := c.route(target)
	if err == nil {
		err = r.send
	}
	if err == nil {
		err = c.charge(message)
	}
	if err != nil {
		return c.refused(target, "fire-and-forget", err)
	}
	m := c.newMessage(r.id, message)
	if err := r.deliver(m, c.worker); err != nil {
		m.Release()
		c.out.quota.refund(1)
		return c.refused(target, "fire-and-forget", err)
	}
	return nil
}

// SendRequest implements [core.Services].
func (c *component) SendRequest(target, request []byte, timeoutMillis uint64) (core.RequestID, error) {
	c.counts.Sent++
	id, err := c.sendRequest(target, request, timeoutMillis)
	if err != nil {
		return 0, c.refused(target, "request-response", err)
	}
	c.counts.Requests++
	return id, nil
}

func (c *component) sendRequest(target, request []byte, timeoutMillis uint64) (core.RequestID, error) {
	timeout, err := c.timeout(timeoutMillis)
	if err != nil {
		return 0, err
	}
	r, err := c.route(target)
	if err == nil {
		err = r.request
	}
	if err != nil {
		return 0, err
	}
	if c.out.pending >= c.plan.Quota.PendingRequests {
		return 0, errPendingRequests
	}
	if err := c.charge(request); err != nil {
		return 0, err
	}
	return c.handOver(r, request, timeout)
}

// handOver registers a request and hands it over.
func (c *component) handOver(r *route, request []byte, timeout time.Duration) (core.RequestID, error) {
	mark := c.host.givenUp.Load() // before the request can be given up
	id, err := c.register(timeout)
	if err != nil {
		c.out.quota.refund(1)
		return 0, unlessStopping(err)
	}
	m := c.newMessage(r.id, request)
	m.Correlation, m.Origin, m.Mark = id, c.host, mark
	if r.local == nil {
		m.Deadline = time.Now().Add(timeout).UnixNano()
	}
	if err := r.deliver(m, c.worker); err != nil {
		if c.host.tracker.Cancel(id, c) {
			m.Release()
			c.out.quota.refund(1)
			return 0, err
		}
		// Expired in between: its callback is on its way, so that the guest has
		// to know the id, and the request was not refused but lost.
		c.host.deadLetter(m, err)
	}
	c.out.pending++
	return id, nil
}

// register registers a request, under a reserved id if there is one.
func (c *component) register(timeout time.Duration) (core.RequestID, error) {
	c.reserve(1)
	if len(c.out.reserved) == 0 {
		return c.host.tracker.Register(c, timeout)
	}
	id := c.out.reserved[0]
	next, err := c.host.reserver.RegisterReserved(id, c, timeout)
	if next == 0 {
		c.out.reserved = c.out.reserved[1:]
	} else {
		c.out.reserved[0] = next
	}
	return id, err
}

// timeout checks a request's timeout.
func (c *component) timeout(millis uint64) (time.Duration, error) {
	switch {
	case !c.traits.Callback:
		return 0, errNoCallback
	case millis == 0:
		return c.host.config.RequestTimeout, nil
	case millis > uint64(core.MaxTimeout/time.Millisecond):
		return 0, errTimeoutRange
	}
	return time.Duration(millis) * time.Millisecond, nil
}

// The refusals that are the same for all.
var (
	errNoCallback      = &core.MessagingError{Case: core.CaseInvalidArgument, Text: "send-request: this component exports no handle-callback"}
	errTimeoutRange    = &core.MessagingError{Case: core.CaseInvalidArgument, Text: fmt.Sprintf("timeout-ms: at most %d (%v)", core.MaxTimeout/time.Millisecond, core.MaxTimeout)}
	errPendingRequests = &core.MessagingError{Case: core.CaseQuotaExceeded, Text: "pending_requests"}
	errMessageRate     = &core.MessagingError{Case: core.CaseQuotaExceeded, Text: "messages_per_second"}
	errMessageSize     = &core.MessagingError{Case: core.CaseQuotaExceeded, Text: "message_size"}
	errStopping        = &core.MessagingError{Case: core.CaseUnavailable, Text: "host stopping"}
)

// charge takes a message from the quota.
func (c *component) charge(message []byte) error {
	if len(message) > c.limits.MessageSize {
		return errMessageSize
	}
	if !c.out.quota.take(1) {
		return errMessageRate
	}
	return nil
}

// refused counts and audits a refusal, and returns it in the contract's terms.
func (c *component) refused(target []byte, pattern string, err error) error {
	refusal := refusalOf(err)
	c.counts.Refused++
	c.counts.refusals[refusal.Case]++
	c.host.audit.record(c.id, target, pattern, refusal)
	return refusal
}

// route returns what is known of a target.
func (c *component) route(target []byte) (*route, error) {
	if epoch := c.host.epoch.Load(); epoch != c.out.epoch {
		c.out.epoch, c.out.last, c.out.routes = epoch, nil, nil
	}
	if r := c.out.last; r != nil && r.id.String() == string(target) {
		return r, nil
	}
	r, known := c.out.routes[string(target)]
	if !known {
		var err error
		if r, err = c.newRoute(string(target)); err != nil {
			return nil, err
		}
	}
	c.out.last = r
	return r, nil
}

func (c *component) newRoute(target string) (*route, error) {
	id, err := core.ParseComponentID(target)
	if err != nil {
		return nil, &core.MessagingError{Case: core.CaseInvalidArgument, Text: "target: " + err.Error()}
	}
	r := &route{id: id}
	r.send = c.permission(c.plan.Capabilities.Send, id)
	r.request = c.permission(c.plan.Capabilities.Request, id)
	if r.send == nil || r.request == nil {
		r.find(c.host)
		r.granting(c)
	}
	if c.out.routes == nil || len(c.out.routes) >= maxRoutes {
		c.out.routes = make(map[string]*route)
	}
	c.out.routes[target] = r
	return r, nil
}

func (c *component) permission(granted []core.IDPattern, id core.ComponentID) error {
	for _, pattern := range granted {
		if pattern.Matches(id) {
			return nil
		}
	}
	return &core.MessagingError{Case: core.CaseCapabilityDenied, Text: id.String()}
}

// find asks the broker for the way to the target; where there is none, what is
// permitted is refused with the reason.
func (r *route) find(h *Host) {
	receiver, err := h.route(r.id)
	if err != nil {
		refusal := refusalOf(err)
		if r.send == nil {
			r.send = refusal
		}
		if r.request == nil {
			r.request = refusal
		}
		return
	}
	r.receiver = receiver
	r.local, _ = receiver.(*component)
}

// granting fills in what a sender may send by itself, if the target is local.
func (r *route) granting(sender *component) {
	if r.local != nil {
		r.grant = core.Grant{
			Target: r.id.String(), Message: r.send == nil,
			Largest: min(sender.limits.MessageSize, r.local.limits.MessageSize),
		}
	}
}

// CancelRequest implements [core.Services].
func (c *component) CancelRequest(id core.RequestID) error {
	if !c.host.tracker.Cancel(id, c) {
		return core.ErrRequestNotFound
	}
	c.host.givenUp.Add(1)
	c.counts.Canceled++
	c.out.pending--
	return nil
}

// Now implements [core.Services].
func (c *component) Now() uint64 { return uint64(time.Now().UnixNano()) }

// logLevels are slog's levels for the contract's.
var logLevels = [...]slog.Level{slog.LevelDebug - 4, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// Log implements [core.Services].
func (c *component) Log(level core.LogLevel, message []byte) {
	c.counts.LogLines++
	if !c.log.Take(len(message)) {
		c.counts.LogDrops++
		return
	}
	c.host.guestLog.Log(c.host.background, logLevels[min(int(level), len(logLevels)-1)],
		strings.ToValidUTF8(core.CutText(message, core.MaxDetails), "\uFFFD"), "component", c.id.String())
}

// logDropped says that lines of the guest were dropped.
func (c *component) logDropped(lines uint64, limit string) {
	c.host.log.Log(c.host.background, slog.LevelWarn, "log lines were dropped", "component", c.id.String(), "dropped", lines, "limit", limit)
}
