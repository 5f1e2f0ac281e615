package nats

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

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
	case c.Replicas != 0 && c.Replicas != 1 && c.Replicas != 3 && c.Replicas != 5:
		return nil, fmt.Errorf("replicas %d: want 1, 3 or 5", c.Replicas)
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
	if err := checkCredentials(c.Credentials); err != nil {
		return nil, err
	}
	if options, err = c.options(); err != nil {
		return nil, err
	}
	scratch := natsgo.GetDefaultOptions()
	for _, set := range options { // which reads the files
		if err := set(&scratch); err != nil {
			return nil, err
		}
	}
	return options, nil
}

// checkCredentials returns an error for a file that has no credentials.
func checkCredentials(name string) error {
	if name == "" {
		return nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	defer clear(text)
	if _, err = nkeys.ParseDecoratedJWT(text); err == nil {
		var pair nkeys.KeyPair
		if pair, err = nkeys.ParseDecoratedUserNKey(text); err == nil {
			pair.Wipe()
		}
	}
	if err != nil {
		return fmt.Errorf("%s: want credentials with a JWT and a seed, as nsc writes them: %w", name, err)
	}
	return nil
}

// options are those of the connection.
func (c Config) options() ([]natsgo.Option, error) {
	options := []natsgo.Option{
		natsgo.Name("airhost " + c.Host), natsgo.MaxReconnects(-1), natsgo.ReconnectBufSize(-1), natsgo.RetryOnFailedConnect(true),
		natsgo.ReconnectWait(250 * time.Millisecond), natsgo.PingInterval(c.Lease), natsgo.MaxPingsOutstanding(2),
		natsgo.CustomInboxPrefix(newSubjects(c.Cluster).inbox(c.Host)), natsgo.FlusherTimeout(c.Lease), natsgo.NoCallbacksAfterClientClose(), natsgo.IgnoreAuthErrorAbort(),
	}
	if c.Credentials != "" {
		options = append(options, natsgo.UserCredentials(c.Credentials))
	}
	if c.NKey != "" {
		// The client of NATS has one public key for all connections: a seed that is read again for each
		// signature, as by NkeyOptionFromSeed, would not fit it after the file was replaced.
		pair, public, err := readNKey(c.NKey)
		if err != nil {
			return nil, fmt.Errorf("nkey %w", err)
		}
		options = append(options, natsgo.Nkey(public, pair.Sign))
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
		return fmt.Errorf("%s: %w", Redacted(b.config.URL), b.config.explained(err))
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
		return fmt.Errorf("no connection to %s: %w", Redacted(b.config.URL), b.config.explained(err))
	}
	b.log.Info("connected to NATS", "server", Redacted(server.ConnectedUrl()), "cluster", b.config.Cluster, "host", b.config.Host)
	return nil
}

// begin subscribes to outcomes, receipts and the words of other hosts, and begins to send.
func (b *Broker) begin() error {
	host := b.config.Host
	for subject, handle := range map[string]natsgo.MsgHandler{
		b.subjects.outcomes(host): b.outcomesCame, b.subjects.receipts(host): b.receiptCame, b.subjects.hosts(): b.peers.came,
		b.subjects.status(host): b.questionCame, b.subjects.answer(host, "*"): b.answerCame,
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
	if err := b.beginMail(); err != nil {
		return err
	}
	b.refusal.Store(nil)
	b.noteConnected(b.server.ConnectedUrl())
	if !b.server.IsConnected() { // since a moment
		b.disconnected(nil)
	}
	b.work.Go(b.outbox.run)
	b.work.Go(func() { b.keepTime(b.done) })
	b.work.Go(func() { b.keepDirectory(b.done) })
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
	b.noteDisconnected(reasonOf(err))
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
	b.noteConnected(c.ConnectedUrl())
	b.directory.reconnected()
	b.sayBeat(false) // the others wait for it with their outcomes
	b.renewMail()
}

// notYet logs why a server and this host do not trust each other any more, once for each reason: a
// certificate has expired, or a password was changed.
func (b *Broker) notYet() {
	err := b.config.explained(b.server.LastError())
	if !staysWrong(err) || err.Error() == b.mistrust {
		return
	}
	b.mistrust = err.Error()
	b.log.Error("no connection to NATS", "reason", b.mistrust)
}

// failed logs an error that the server has told, at most one a second: a guest may have many targets
// that the server forbids. Messages to a subject that this host must not use come back. The connection
// calls failed on one goroutine.
func (b *Broker) failed(s *natsgo.Subscription, err error) {
	if errors.Is(err, natsgo.ErrPermissionViolation) {
		_, rest, _ := strings.Cut(err.Error(), `"`)
		subject, _, _ := strings.Cut(rest, `"`)
		if b.deniesMail(subject) {
			return
		}
		if strings.Contains(err.Error(), "for Publish to") {
			b.forbid(subject)
		}
	}
	if isRefusal(err) {
		return // keepTime tells it
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
	if strings.HasPrefix(subject, b.subjects.topics("")) {
		b.topics.forbidden(subject)
		return
	}
	for _, r := range b.allRemotes() {
		if r.subject == subject {
			r.giveAllBack(time.Now(), deniedTo(r.target))
		}
	}
	for _, r := range b.allMailRoutes() {
		if r.subject == subject {
			r.giveBack(deniedTo(r.target))
		}
	}
}

func deniedTo(target core.ComponentID) *core.MessagingError {
	return &core.MessagingError{Case: core.CaseCapabilityDenied, Text: "NATS does not permit this host to send to " + target.String()}
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
	b.giveAllBack()
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

// endSending sends the last outcomes, and the receipts that wait for them: before the word that this
// host leaves.
func (b *Broker) endSending(ctx context.Context) {
	b.resumeOutcomes()
	b.outbox.end()
	close(b.done)
	b.mail.permit.Load().end()
	select {
	case <-b.outbox.done:
	case <-time.After(b.config.Lease):
	case <-ctx.Done():
	}
	b.topics.end()
}

// giveAllBack ends all that is under way.
func (b *Broker) giveAllBack() {
	for _, r := range b.allRemotes() {
		r.giveAllBack(time.Now(), errClosed)
	}
	for _, r := range b.allMailRoutes() {
		r.giveBack(errNotStored)
	}
}

// detachAll detaches the components that the host has not.
func (b *Broker) detachAll() {
	b.mu.RLock()
	all := slices.Collect(maps.Values(b.local))
	b.mu.RUnlock()
	for _, a := range all {
		a.end()
	}
}

// sayLast tells the other hosts that this one leaves, if it is connected.
func (b *Broker) sayLast(ctx context.Context, connected bool) {
	if connected {
		b.directory.leave(ctx)
		b.detachAll() // else the server goes on to send here until it has seen the end of the connection
		b.sayBeat(true)
	}
	_ = b.server.FlushTimeout(b.config.Lease / 4) // an error means that nobody is there to hear it
}

// awaitReceipts waits until nothing is under way, the connection is lost, ctx ends, or nobody answers.
func (b *Broker) awaitReceipts(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*b.config.Lease)
	defer cancel()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	var all []interface{ isIdle() bool }
	for _, r := range b.allRemotes() {
		all = append(all, r)
	}
	for _, r := range b.allMailRoutes() {
		all = append(all, r)
	}
	for _, r := range all {
		for !r.isIdle() && b.server.IsConnected() {
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
		}
	}
}
