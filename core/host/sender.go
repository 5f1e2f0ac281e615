package host

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
)

// maxRoutes is how many routes a sender keeps.
const maxRoutes = 4096

// sender is a component's sending side. It belongs to the component's owner.
type sender struct {
	quota       bucket
	pending     int              // requests that have not been called back
	mostPending int              // how many there may be
	ids         []core.RequestID // reserved at the tracker; empty if it cannot reserve
	used        int              // how many of them requests have used that the tracker has not seen
	usedCredit  bool             // the guest has sent by a credit since its last call began
	log         *core.LogQuota

	epoch  uint64 // of the host's configuration that the routes are for
	last   *route
	routes map[string]*route
}

// free are the ids for the next requests.
func (s *sender) free() []core.RequestID { return s.ids[s.used:] }

// route is the way to a target: whether the sender may message it, and where the
// messages go. It holds until the host's configuration changes.
type route struct {
	id core.ComponentID
	way
	send    error // why fire-and-forget is refused, or nil
	request error // why request-response is refused, or nil
	credit  core.Credit

	shortExchanges uint8 // exchanges in a row that ended after one call; see exchangesLast
}

// way is where the messages to a target go.
type way struct {
	receiver core.Receiver
	local    *component // receiver, if it is a component of this host
}

func (y *way) deliver(m *core.Message, w *worker) error {
	if y.local != nil {
		return y.local.deliver(m, w, false)
	}
	if err := y.receiver.Deliver(m); err != nil {
		return boundError(err)
	}
	return nil
}

// SendMessage implements [core.Services].
func (c *component) SendMessage(target, message []byte) error {
	c.breakChain()
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
	if err := r.deliver(m, c.sched.worker); err != nil {
		m.Release()
		c.sender.quota.refund(1)
		return c.refused(target, "fire-and-forget", err)
	}
	return nil
}

// SendRequest implements [core.Services].
func (c *component) SendRequest(target, request []byte, timeoutMillis uint64) (core.RequestID, error) {
	c.breakChain()
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
	if c.sender.pending >= c.sender.mostPending && !(c.borrow() && c.sender.pending < c.sender.mostPending) {
		return 0, errPendingRequests
	}
	if err := c.charge(request); err != nil {
		return 0, err
	}
	return c.handOver(r, request, timeout)
}

// handOver registers a request and delivers it.
func (c *component) handOver(r *route, request []byte, timeout time.Duration) (core.RequestID, error) {
	mark := c.host.givenUp.Load() // before the request can be given up
	id, err := c.register(timeout)
	if err != nil {
		c.sender.quota.refund(1)
		return 0, unlessStopping(err)
	}
	m := c.newMessage(r.id, request)
	m.Correlation, m.Origin, m.Mark = id, c.host, mark
	if r.local == nil {
		m.Deadline = time.Now().Add(timeout).UnixNano()
	} else {
		m.Deadline = c.host.deadlineAfter(timeout)
	}
	if err := r.deliver(m, c.sched.worker); err != nil {
		if c.host.tracker.Cancel(id, c) {
			m.Release()
			c.sender.quota.refund(1)
			return 0, err
		}
		// It has expired since: its callback is on its way, so the guest must learn
		// the id, and the request was not refused but lost.
		c.host.deadLetter(m, err)
	}
	c.sender.pending++
	return id, nil
}

// deadlineAfter returns the deadline of a request that ends after timeout, by the coarse clock.
func (h *Host) deadlineAfter(timeout time.Duration) int64 {
	return h.beganUnix + int64(h.clock.Now()+timeout)
}

// register registers a request, under a reserved id if there is one.
func (c *component) register(timeout time.Duration) (core.RequestID, error) {
	s := &c.sender
	if len(s.free()) == 0 {
		c.reserve(1)
	}
	if len(s.free()) == 0 {
		return c.host.tracker.Register(c, timeout)
	}
	id := s.ids[s.used]
	next, err := c.host.reserver.RegisterReserved(id, c, timeout)
	if next == 0 {
		s.ids = slices.Delete(s.ids, s.used, s.used+1)
	} else {
		s.ids[s.used] = next
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
	if !c.sender.quota.take(1) && !(c.borrow() && c.sender.quota.take(1)) {
		return c.budget.refusal(c.post == nil && c.sender.quota.tokens < 1)
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

// route returns the route to a target.
func (c *component) route(target []byte) (*route, error) {
	if epoch := c.host.epoch.Load(); epoch != c.sender.epoch {
		c.sender.epoch, c.sender.last, c.sender.routes = epoch, nil, nil
	}
	if r := c.sender.last; r != nil && r.id.String() == string(target) {
		return r, nil
	}
	r, known := c.sender.routes[string(target)]
	if !known {
		var err error
		if r, err = c.newRoute(string(target)); err != nil {
			return nil, err
		}
	}
	c.sender.last = r
	return r, nil
}

func (c *component) newRoute(target string) (*route, error) {
	id, err := core.ParseComponentID(target)
	if err != nil {
		return nil, &core.MessagingError{Case: core.CaseInvalidArgument, Text: "target: " + err.Error()}
	}
	r := &route{id: id}
	r.send = c.permission(c.deployment.Capabilities.Send, id)
	r.request = c.permission(c.deployment.Capabilities.Request, id)
	if r.send == nil || r.request == nil {
		r.find(c.host)
		r.setCredit(c)
	}
	if c.sender.routes == nil || len(c.sender.routes) >= maxRoutes {
		c.sender.routes = make(map[string]*route)
	}
	c.sender.routes[target] = r
	return r, nil
}

func (c *component) permission(granted []core.IDPattern, id core.ComponentID) error {
	if grants(granted, id) {
		return nil
	}
	return &core.MessagingError{Case: core.CaseCapabilityDenied, Text: id.String()}
}

// find asks the broker for the way to the target. If there is none, permitted messages
// are refused for the broker's reason.
func (r *route) find(h *Host) {
	var refusal error
	if r.way, refusal = h.wayTo(r.id); refusal == nil {
		return
	}
	if r.send == nil {
		r.send = refusal
	}
	if r.request == nil {
		r.request = refusal
	}
}

// wayTo asks the broker for the way to a target. The error is a [core.MessagingError].
func (h *Host) wayTo(id core.ComponentID) (way, error) { return h.asWay(h.route(id)) }

func (h *Host) asWay(receiver core.Receiver, err error) (way, error) {
	if err != nil {
		return way{}, refusalOf(unlessStopping(err))
	}
	local, _ := receiver.(*component)
	return way{receiver, local}, nil
}

// setCredit fills in the sender's credit, if the target is local.
func (r *route) setCredit(sender *component) {
	if r.local == nil {
		return
	}
	r.local.mu.Lock()
	most := r.local.limits.MessageSize
	r.local.mu.Unlock()
	r.credit = core.Credit{
		Target: r.id.String(), Messages: r.send == nil,
		MaxSize: min(sender.limits.MessageSize, most, maxDirect),
	}
}

// CancelRequest implements [core.Services].
func (c *component) CancelRequest(id core.RequestID) error {
	if !c.host.tracker.Cancel(id, c) && !c.cancelOfFormer(id) {
		return core.ErrRequestNotFound
	}
	c.host.givenUp.Add(1)
	c.counts.Canceled++
	c.sender.pending--
	return nil
}

// Now implements [core.Services].
func (c *component) Now() uint64 { return uint64(time.Now().UnixNano()) }

// logLevels are slog's levels for the contract's.
var logLevels = [...]slog.Level{slog.LevelDebug - 4, slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// Log implements [core.Services].
func (c *component) Log(level core.LogLevel, message []byte) {
	c.counts.LogLines++
	if !c.sender.log.Take(len(message)) {
		c.counts.LogDrops++
		return
	}
	c.host.guestLog.Log(c.host.background, logLevels[min(int(level), len(logLevels)-1)],
		strings.ToValidUTF8(c.host.bounds.cutBytes(message, core.MaxDetails), "\uFFFD"), "component", c.id.String())
}

// logDropped says that lines of the guest were dropped.
func (c *component) logDropped(lines uint64, limit string) {
	c.host.log.Log(c.host.background, slog.LevelWarn, "log lines were dropped", "component", c.id.String(), "dropped", lines, "limit", limit)
}
