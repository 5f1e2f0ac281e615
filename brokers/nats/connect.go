package nats

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/core"
)

func (c Config) withDefaults() Config {
	c.URL, c.Cluster, c.Lease = cmp.Or(c.URL, natsgo.DefaultURL), cmp.Or(c.Cluster, DefaultCluster), cmp.Or(c.Lease, DefaultLease)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	switch {
	case c.Host == "":
		name, err := os.Hostname()
		if err != nil || !validHost(name) || len(name) > maxHost-9 {
			name = "host"
		}
		c.Host = withRandomEnd(name)
	case c.Aside:
		c.Host = withRandomEnd(c.Host[:min(len(c.Host), maxHost-9)])
	}
	return c
}

func withRandomEnd(name string) string { return name + "-" + strings.ToLower(rand.Text()[:8]) }

// check returns the options of the connection, or an error about a wrong value.
func (c Config) check() (options []natsgo.Option, err error) {
	switch {
	case !validHost(c.Cluster):
		return nil, fmt.Errorf("cluster %.70q: want 1 to %d letters, digits, '-', '_' and '.'", c.Cluster, maxHost)
	case !validHost(c.Host):
		return nil, fmt.Errorf("host %.70q: want 1 to %d letters, digits, '-', '_' and '.'", c.Host, maxHost)
	case c.Lease < MinLease:
		return nil, fmt.Errorf("lease %v: want %v or more", c.Lease, MinLease)
	case c.Credentials != "" && c.NKey != "":
		return nil, errors.New("credentials and nkey: want one of the two")
	case (c.Certificate == "") != (c.Key == ""):
		return nil, errors.New("tls: a certificate needs its key, and a key its certificate")
	}
	for _, name := range []string{c.Credentials, c.NKey, c.CA, c.Certificate, c.Key} {
		if name == "" {
			continue
		}
		if _, err := os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return c.options()
}

// options are those of the connection.
func (c Config) options() ([]natsgo.Option, error) {
	options := []natsgo.Option{
		natsgo.Name("airhost " + c.Host), natsgo.MaxReconnects(-1), natsgo.ReconnectBufSize(-1), natsgo.RetryOnFailedConnect(true),
		natsgo.ReconnectWait(250 * time.Millisecond), natsgo.PingInterval(c.Lease), natsgo.MaxPingsOutstanding(2),
		natsgo.FlusherTimeout(c.Lease), natsgo.NoCallbacksAfterClientClose(), natsgo.IgnoreAuthErrorAbort(),
		natsgo.CustomInboxPrefix(newSubjects(c.Cluster).inbox(c.Host)),
	}
	if c.Credentials != "" {
		options = append(options, natsgo.UserCredentials(c.Credentials))
	}
	if c.NKey != "" {
		option, err := natsgo.NkeyOptionFromSeed(c.NKey)
		if err != nil {
			return nil, fmt.Errorf("nkey %s: %w", c.NKey, err)
		}
		options = append(options, option)
	}
	if c.CA != "" {
		options = append(options, natsgo.RootCAs(c.CA))
	}
	if c.Certificate != "" {
		options = append(options, natsgo.ClientCert(c.Certificate, c.Key))
	}
	return options, nil
}

// connect connects to a server and subscribes. It waits until ctx ends.
func (b *Broker) connect(ctx context.Context) error {
	connected := make(chan struct{}, 1)
	ended := make(chan error, 1)
	options := append(b.options[:len(b.options):len(b.options)],
		natsgo.ConnectHandler(func(*natsgo.Conn) { connected <- struct{}{} }),
		natsgo.DisconnectErrHandler(func(_ *natsgo.Conn, err error) { b.during(func() { b.disconnected(err) }) }),
		natsgo.ReconnectHandler(func(c *natsgo.Conn) { b.during(func() { b.reconnected(c) }) }),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, s *natsgo.Subscription, err error) { b.during(func() { b.failed(s, err) }) }),
		natsgo.ClosedHandler(func(c *natsgo.Conn) { ended <- c.LastError() }),
	)
	server, err := natsgo.Connect(b.config.URL, options...)
	if err != nil {
		return fmt.Errorf("%s: %w", Redacted(b.config.URL), err)
	}
	select {
	case <-connected:
	case err = <-ended:
	case <-ctx.Done():
		err = cmp.Or(server.LastError(), ctx.Err())
	}
	if err == nil {
		b.server, b.done = server, make(chan struct{})
		b.noteMaxPayload(server)
		err = b.begin()
	}
	if err != nil {
		server.Close()
		return fmt.Errorf("no connection to %s: %w", Redacted(b.config.URL), err)
	}
	b.log.Info("connected to NATS", "server", Redacted(server.ConnectedUrl()), "cluster", b.config.Cluster, "host", b.config.Host)
	return nil
}

// begin subscribes to outcomes, receipts and the words of other hosts, and begins to send.
func (b *Broker) begin() error {
	host := b.config.Host
	for subject, handle := range map[string]natsgo.MsgHandler{
		b.subjects.outcomes(host): b.outcomesCame, b.subjects.receipts(host): b.receiptCame, b.subjects.hosts(): b.peers.came,
	} {
		s, err := b.server.Subscribe(subject, func(in *natsgo.Msg) { b.during(func() { handle(in) }) })
		if err == nil {
			err = s.SetPendingLimits(-1, maxArrivals)
		}
		if err != nil {
			return err
		}
	}
	if err := b.server.FlushTimeout(b.config.Lease); err != nil { // the subscriptions are there
		return err
	}
	if err := b.server.LastError(); errors.Is(err, natsgo.ErrPermissionViolation) {
		return fmt.Errorf("the server does not permit what host %s needs to hear others: %w", host, err)
	}
	b.refusal.Store(nil)
	if !b.server.IsConnected() { // since a moment
		b.disconnected(nil)
	}
	b.work.Go(b.outbox.run)
	b.work.Go(func() { b.keepTime(b.done) })
	return nil
}

// enter counts a callback in progress, unless the broker is closed.
func (b *Broker) enter() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.shut {
		return false
	}
	b.work.Add(1)
	return true
}

// during runs a callback of the connection, unless the broker is closed. Close waits for it.
func (b *Broker) during(callback func()) {
	if b.enter() {
		defer b.work.Done()
		callback()
	}
}

// publish sends to a subject. reply may be empty.
func (b *Broker) publish(subject, reply string, data []byte) error {
	return b.server.PublishMsg(&natsgo.Msg{Subject: subject, Reply: reply, Data: data})
}

// maxPayload is the largest payload that fits into a frame.
func (b *Broker) maxPayload() int { return int(b.most.Load()) }

// noteMaxPayload keeps the bound of the server: the connection's own method waits for a lock that is
// held while something is sent.
func (b *Broker) noteMaxPayload(c *natsgo.Conn) { b.most.Store(max(0, c.MaxPayload()-frameSlack)) }

// disconnected ends the messages that are under way, which may have arrived or not.
func (b *Broker) disconnected(err error) {
	if !b.refusal.CompareAndSwap(nil, errLost) {
		return // closed
	}
	b.log.Warn("disconnected from NATS: messages to other hosts are refused until it is back, those of this host go on", "reason", reasonOf(err))
	b.mu.Lock()
	draining := b.draining
	b.draining = nil
	b.mu.Unlock()
	for _, s := range draining {
		_ = s.Unsubscribe() // else the next connection would have it again
	}
	for _, r := range b.allRemotes() {
		r.giveAllBack(time.Now(), errLost)
	}
}

func reasonOf(err error) string {
	if err == nil {
		return "the connection has ended"
	}
	return err.Error()
}

func (b *Broker) reconnected(c *natsgo.Conn) {
	b.peers.forgive()
	b.noteMaxPayload(c)
	if !b.refusal.CompareAndSwap(errLost, nil) {
		return
	}
	b.log.Info("connected to NATS again", "server", Redacted(c.ConnectedUrl()))
	b.directory.reconnected()
	b.sayBeat(false) // the others wait for it with their outcomes
}

// failed logs an error that the server has told, at most one a second: a guest may have many targets
// that the server forbids. Messages to a subject that this host must not use come back. The connection
// calls failed on one goroutine.
func (b *Broker) failed(s *natsgo.Subscription, err error) {
	if errors.Is(err, natsgo.ErrPermissionViolation) {
		_, rest, _ := strings.Cut(err.Error(), `"`)
		subject, _, _ := strings.Cut(rest, `"`)
		b.forbid(subject)
	}
	if b.untold++; time.Since(b.told) < time.Second {
		return
	}
	attributes := []any{"reason", err.Error()}
	if s != nil {
		attributes = append(attributes, "subject", s.Subject)
	}
	if b.untold > 1 {
		attributes = append(attributes, "and others", b.untold-1)
	}
	b.log.Error("NATS refused something", attributes...)
	b.told, b.untold = time.Now(), 0
}

// forbid gives back the messages to a subject that the server forbids.
func (b *Broker) forbid(subject string) {
	for _, r := range b.allRemotes() {
		if r.subject == subject {
			r.giveAllBack(time.Now(), &core.MessagingError{Case: core.CaseCapabilityDenied, Text: "NATS does not permit this host to send to " + r.target.String()})
		}
	}
}

// Close implements [core.Broker]. It waits for the receipts of all messages until ctx ends, and
// tells the other hosts that this one leaves.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	opened := b.state == open
	b.state = closed
	b.mu.Unlock()
	if !opened {
		return nil
	}
	before := b.refusal.Swap(errClosed)
	if before == nil {
		b.awaitReceipts(ctx)
	}
	for _, r := range b.allRemotes() {
		r.giveAllBack(time.Now(), errClosed)
	}
	b.endSending(ctx)
	b.sayLast(ctx, before == nil)
	b.mu.Lock()
	b.shut = true
	b.mu.Unlock()
	b.server.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.work.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close NATS broker: %w", ctx.Err())
	}
}

// sayLast tells the other hosts that this one leaves, if it is connected.
func (b *Broker) sayLast(ctx context.Context, connected bool) {
	if connected {
		b.directory.leave(ctx)
		b.sayBeat(true)
	}
	_ = b.server.FlushTimeout(b.config.Lease / 4) // an error means that nobody is there to hear it
}

// endSending sends the last outcomes, and the receipts that wait for them: before the word that this
// host leaves.
func (b *Broker) endSending(ctx context.Context) {
	b.resumeOutcomes()
	b.outbox.end()
	close(b.done)
	select {
	case <-b.outbox.done:
	case <-time.After(b.config.Lease):
	case <-ctx.Done():
	}
}

// awaitReceipts waits until nothing is under way, the connection is lost, ctx ends, or nobody answers.
func (b *Broker) awaitReceipts(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*b.config.Lease)
	defer cancel()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	idle := func(r *remote) bool { r.mu.Lock(); defer r.mu.Unlock(); return r.pending == 0 }
	for _, r := range b.allRemotes() {
		for !idle(r) && b.server.IsConnected() {
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
		}
	}
}
