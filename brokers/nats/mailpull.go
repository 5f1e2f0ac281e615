package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// pulls are how a mailbox asks JetStream for messages: as many as there is room for, one time after the
// other. A consumer of the stream, which the mailbox makes at its beginning and after each
// connection, brings those that were not acknowledged, from the first one on.
type pulls struct {
	inbox    string // where the messages come
	listens  *natsgo.Subscription
	asked    int       // how many were asked for and have not come
	large    bool      // the next message is larger than all room: ask for it alone
	request  []byte    // to be published, or nil
	heard    time.Time // when something came last
	opening  bool
	number   uint64 // of the last message, as the consumer counts them from 1 on
	broken   bool   // a message is missing, or may be: the consumer is made anew before anything else is taken
	lost     bool   // the consumer was deleted by somebody else
	told     bool   // the log has said so
	behind   int    // messages in the stream behind the last one that came
	attempts int    // of the set-up, in vain
	retry    time.Time
}

// takeLocked takes the request that is to be published.
func (p *pulls) takeLocked() (request []byte, reply string) {
	request = p.request
	p.request = nil
	return request, p.inbox
}

// next is where messages of a consumer are asked for.
func (s subjects) next(consumer string) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + s.stream() + "." + consumer
}

// pullLocked asks for more messages, if half of the room is free and nothing was asked for.
func (x *mailbox) pullLocked() {
	p := &x.pulls
	n, bytes := maxKept-len(x.kept), maxKeptBytes-x.bytes
	if p.asked > 0 || p.broken || p.listens == nil || p.opening || p.lost || x.over || x.broker.mail.resting.Load() || n < maxKept/2 || bytes < maxKeptBytes/2 {
		return
	}
	lease := x.broker.config.Lease
	if p.large {
		if len(x.kept) > 0 {
			return
		}
		n, bytes = 1, 0
	}
	p.asked, p.large = n, false
	limit := ""
	if bytes > 0 {
		limit = `,"max_bytes":` + strconv.Itoa(bytes)
	}
	p.request = fmt.Appendf(nil, `{"batch":%d%s,"expires":%d,"idle_heartbeat":%d}`, n, limit, 4*lease, lease)
	x.sendLocked()
}

// came handles an arrival in a mailbox's inbox: a message, or a word about the last pull.
func (x *mailbox) came(inbox string, in *natsgo.Msg) {
	x.mu.Lock()
	p := &x.pulls
	if p.inbox != inbox || x.over || p.broken { // of the consumer before
		x.mu.Unlock()
		return
	}
	p.heard = time.Now()
	status := in.Header.Get("Status")
	if status == "" || len(in.Data) > 0 {
		at, next := x.pulls.messageLocked(in)
		x.mu.Unlock()
		if next {
			x.arrived(in, at)
		}
		return
	}
	defer x.mu.Unlock()
	if status == "100" { // it is there
		return
	}
	p.asked = 0
	about := in.Header.Get("Description")
	switch {
	case status == "409" && strings.Contains(about, "Consumer Deleted"):
		p.lost, p.told, p.retry = true, false, p.heard.Add(x.broker.config.Lease/2) // by then the other one has made its own
	case status == "409" && strings.Contains(about, "MaxBytes"):
		p.large = true
		x.pullLocked()
	case status == "408", status == "404": // there are no others
		clear(x.unsure)
		x.pullLocked()
	case status == "409" && strings.Contains(about, "Batch Completed"):
		x.pullLocked()
	default:
		p.broken = true // such as another leader, which does not know all that the former one has sent
	}
}

// messageLocked notes a message. next is false if one before it was lost on its way, or the consumer is
// a former one.
func (p *pulls) messageLocked(in *natsgo.Msg) (at place, next bool) {
	p.asked = max(0, p.asked-1)
	p.behind, _ = strconv.Atoi(in.Reply[strings.LastIndexByte(in.Reply, '.')+1:])
	p.number++
	at, count, _ := placeOf(in.Reply)
	p.broken = count != p.number
	return at, !p.broken
}

// open begins to take messages, and those first that were not acknowledged. A former consumer loses
// them, also if it is another host's.
func (x *mailbox) open(ctx context.Context) error {
	b := x.broker
	x.mu.Lock()
	if x.pulls.opening || x.over {
		x.mu.Unlock()
		return nil
	}
	x.pulls.opening = true
	x.mu.Unlock()
	stream, err := b.setUpMail(ctx, x.at.id)
	if err == nil {
		if err = x.makeConsumer(ctx, stream); err != nil {
			b.lookAgain(ctx)
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	p := &x.pulls
	p.opening = false
	if err != nil {
		p.attempts++
		p.retry = time.Now().Add(min(time.Duration(p.attempts)*b.config.Lease/2, 10*b.config.Lease))
		return err
	}
	p.attempts, p.lost, p.asked, p.request, p.heard = 0, false, 0, nil, time.Now()
	p.number, p.broken = 0, false
	x.pullLocked()
	return nil
}

// makeConsumer deletes the consumer of the mailbox, makes it anew, and listens to it.
func (x *mailbox) makeConsumer(ctx context.Context, stream jetstream.Stream) error {
	b := x.broker
	inbox := fmt.Sprintf("%s.mail.%x", b.subjects.inbox(b.config.Host), b.mail.inboxes.Add(1))
	x.mu.Lock()
	former := x.pulls.listens
	x.pulls.inbox, x.pulls.listens = inbox, nil
	x.mu.Unlock()
	if former != nil {
		_ = former.Unsubscribe() // an error means that it has ended
	}
	if err := stream.DeleteConsumer(ctx, x.name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return fmt.Errorf("consumer %s: %w", x.name, b.mailError(err))
	}
	_, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: x.name, Description: x.description(), AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverAllPolicy,
		FilterSubject: b.subjects.mail(x.at.id), AckWait: 24 * time.Hour, MaxDeliver: -1, MaxAckPending: maxUnacknowledged, MaxWaiting: 16,
	})
	if err != nil {
		return fmt.Errorf("consumer %s: %w", x.name, b.mailError(err))
	}
	listens, err := b.server.Subscribe(inbox, func(in *natsgo.Msg) {
		if b.enter() {
			defer b.work.Done()
			x.came(inbox, in)
		}
	})
	if err == nil {
		err = listens.SetPendingLimits(-1, maxArrivals)
	}
	if err != nil {
		return err
	}
	x.mu.Lock()
	over := x.over
	x.pulls.listens = listens
	x.mu.Unlock()
	if over {
		_ = listens.Unsubscribe()
	}
	return nil
}

// description names the host and its run, for others.
func (x *mailbox) description() string {
	return "airhost " + x.broker.config.Host + " " + x.broker.run
}

// holder returns the other host that has the consumer, or nothing.
func (x *mailbox) holder(ctx context.Context) (host string) {
	consumer, err := x.broker.mail.js.Consumer(ctx, x.broker.subjects.stream(), x.name)
	if err != nil {
		return ""
	}
	about := strings.Fields(consumer.CachedInfo().Config.Description)
	if len(about) != 3 || about[0] != "airhost" || about[2] == x.broker.run {
		return ""
	}
	return about[1]
}

// reopen is open after a failure.
func (x *mailbox) reopen() {
	ctx, cancel := x.broker.setUpContext()
	defer cancel()
	if err := x.open(ctx); err != nil {
		x.broker.log.Warn("a durable mailbox cannot be opened, it is tried again", "component", x.at.id.String(), "reason", err.Error())
	}
}

// tick looks after a mailbox some times in a lease.
func (x *mailbox) tick(now time.Time) {
	b := x.broker
	x.mu.Lock()
	p := &x.pulls
	due := !x.over && !p.opening && now.After(p.retry) && !b.mail.resting.Load() && !b.mail.denied.Load()
	lost := p.lost
	silent := p.broken || now.Sub(p.heard) > 3*b.config.Lease && (p.asked > 0 || p.listens == nil)
	told := p.told
	if due && lost {
		p.told, p.retry = true, now.Add(2*b.config.Lease)
	}
	x.pullLocked()
	x.mu.Unlock()
	if !due || !lost && !silent || !b.enter() {
		return
	}
	go func() {
		defer b.work.Done()
		if !lost || !x.belongsToOther(told) {
			x.reopen()
		}
	}()
}

// belongsToOther reports whether another host has the mailbox, after its consumer was deleted, and logs
// which of the two it is.
func (x *mailbox) belongsToOther(told bool) bool {
	b := x.broker
	ctx, cancel := b.setUpContext()
	defer cancel()
	host := x.holder(ctx)
	switch {
	case host == "":
		b.log.Warn("the consumer of a durable mailbox was deleted: it is made anew", "component", x.at.id.String(), "consumer", x.name)
	case !told:
		b.log.Error("another host has taken the durable mailbox of a component over: two hosts have it, undeploy one", "component", x.at.id.String(), "host", host)
	}
	return host != ""
}

// renew makes the consumer anew, after a connection: messages that were not acknowledged come again.
func (x *mailbox) renew() {
	x.mu.Lock()
	x.pulls.heard, x.pulls.retry, x.pulls.attempts = time.Time{}, time.Time{}, 0
	x.pulls.asked = 1
	x.mu.Unlock()
	x.tick(time.Now())
}

// rest takes no more messages. Those that the component has are acknowledged as before.
func (x *mailbox) rest() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
}

// end takes no more messages. All that was handled is acknowledged, and another host may have the rest at
// once.
func (x *mailbox) end() {
	b := x.broker
	x.mu.Lock()
	x.over = true
	listens, held := x.pulls.listens, !x.pulls.lost
	x.pulls.listens, x.pulls.inbox = nil, ""
	if x.stall.timer != nil {
		x.stall.timer.Stop()
	}
	fence := x.fence
	x.mu.Unlock()
	if listens == nil || b.refusal.Load() != nil {
		return
	}
	_ = listens.Unsubscribe() // an error means that it has ended
	if !held {
		return
	}
	x.flush(nil)
	b.leave(x.name, fence)
}

// isSure reports whether all that was handled is acknowledged, or will be by end.
func (x *mailbox) isSure() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.broker.refusal.Load() != nil || len(x.unsure) == 0 && x.pulls.listens != nil && !x.pulls.opening
}

// resume takes messages again after end: the component stays.
func (x *mailbox) resume() {
	x.mu.Lock()
	x.over, x.stall.on = false, false
	x.mu.Unlock()
	x.renew()
	x.dispatch()
}

const (
	// leaveTime is how long the end of a mailbox waits for JetStream. Should that be in vain, others do
	// not wait for the next leavePause.
	leaveTime  = time.Second
	leavePause = 10 * time.Second
)

// leave deletes the consumer of a mailbox. fence is where the last acknowledgment went, if there was one.
func (b *Broker) leave(consumer, fence string) {
	now := time.Now().UnixNano()
	if now < b.mail.leaves.Load() {
		return // the next one who opens the mailbox deletes it
	}
	ctx, cancel := context.WithTimeout(b.mail.permit.Load(), leaveTime)
	defer cancel()
	var err error
	if fence != "" { // its answer comes after all acknowledgments have been noted
		_, err = b.server.RequestWithContext(ctx, fence, []byte("+WPI"))
	}
	if err == nil || errors.Is(err, natsgo.ErrNoResponders) {
		err = b.mail.js.DeleteConsumer(ctx, b.subjects.stream(), consumer)
	}
	if err != nil && ctx.Err() != nil {
		b.mail.leaves.Store(now + int64(leavePause))
	}
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		b.log.Debug("the consumer of a durable mailbox stays", "consumer", consumer, "reason", err.Error())
	}
}
