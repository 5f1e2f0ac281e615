package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Found is a server with the answers that it gave to [Probe].
type Found struct {
	URL, Name, Version string
	Cluster            string   // of the hosts
	MaxPayload         int      // bytes of the largest payload that a message to another host may have
	Warnings           []string // of what works, and could be safer
	Refused            []string // uses of subjects that the server does not permit, such as `publish to "ah.c.hosts"`
}

// Probe connects to a server once, as a host of this configuration, and asks if it permits all of
// p. Hosts that run do not mind: they get messages without content, which they discard, and none of
// theirs is taken from them. Probe ends with ctx.
func Probe(ctx context.Context, config Config, p Permissions) (Found, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c := config.withDefaults()
	options, err := c.check()
	if err != nil {
		return Found{}, fmt.Errorf("NATS: %w", err)
	}
	server, err := dialOnce(ctx, c, options)
	if err != nil {
		return Found{}, err
	}
	defer server.Close()
	found := Found{
		URL: Redacted(server.ConnectedUrl()), Name: server.ConnectedServerName(), Version: server.ConnectedServerVersion(),
		Cluster: c.Cluster, MaxPayload: max(0, int(server.MaxPayload())-frameSlack),
	}
	found.Refused, err = refused(ctx, server, p)
	if err != nil {
		return Found{}, fmt.Errorf("the connection to %s: %w", found.URL, err)
	}
	if p.bucket != "" && len(found.Refused) == 0 {
		warning, err := probeLeases(ctx, c, server, p.bucket)
		if err != nil {
			return Found{}, err
		}
		found.warn(warning)
	}
	return found, nil
}

func (f *Found) warn(warning string) {
	if warning != "" {
		f.Warnings = append(f.Warnings, warning)
	}
}

// dialOnce connects, or fails.
func dialOnce(ctx context.Context, c Config, options []natsgo.Option) (*natsgo.Conn, error) {
	dial := &dialer{ctx: ctx}
	options = append(options, natsgo.RetryOnFailedConnect(false), natsgo.NoReconnect(), natsgo.Name("airhost check"),
		natsgo.ErrorHandler(func(*natsgo.Conn, *natsgo.Subscription, error) {}), natsgo.SetCustomDialer(dial))
	server, err := natsgo.Connect(c.URL, options...)
	if errors.Is(err, natsgo.ErrNoServers) && dial.err != nil {
		err = dial.err // which says why
	}
	if err != nil {
		return nil, fmt.Errorf("no connection to %s: %w", Redacted(c.URL), c.explained(err))
	}
	return server, nil
}

// probeLeases returns an error unless there is the bucket of the leases, or there could be, and a
// warning if more servers could keep it.
func probeLeases(ctx context.Context, c Config, server *natsgo.Conn, name string) (warning string, err error) {
	cluster := server.ConnectedClusterName()
	r := replicated{stream: "KV_" + name, want: c.leaseReplicas(cluster != ""), outcome: "components with place: any stop while its server is away"}
	js, err := jetstream.New(server)
	var bucket jetstream.KeyValue
	if err == nil {
		bucket, err = js.KeyValue(ctx, name)
	}
	if err == nil {
		r.have, err = replicasOf(ctx, bucket)
	}
	if err != nil && !errors.Is(err, jetstream.ErrBucketNotFound) {
		return "", noJetStream(name, err)
	}
	return r.warning(cluster), nil
}

// dialer connects until its context ends, and keeps the last failure.
type dialer struct {
	ctx context.Context
	err error
}

// Dial implements [natsgo.CustomDialer].
func (d *dialer) Dial(network, address string) (c net.Conn, err error) {
	c, err = new(net.Dialer).DialContext(d.ctx, network, address)
	if err != nil {
		d.err = err
	}
	return c, err
}

// refused returns the uses of subjects that a server does not permit.
func refused(ctx context.Context, server *natsgo.Conn, p Permissions) (all []string, err error) {
	for _, subject := range p.Publish {
		permitted, err := permits(ctx, server, func() error { return server.PublishMsg(probe(subject)) })
		if err != nil {
			return nil, err
		}
		if !permitted {
			all = append(all, fmt.Sprintf("publish to %q", subject))
		}
	}
	for _, subject := range p.Subscribe {
		// Without the queue group: a message that comes meanwhile goes to the host as well.
		permitted, err := permits(ctx, server, func() error {
			s, err := server.Subscribe(subject, func(*natsgo.Msg) {})
			if err != nil {
				return err
			}
			return s.Unsubscribe()
		})
		if err != nil {
			return nil, err
		}
		if !permitted {
			all = append(all, fmt.Sprintf("subscribe to %q", subject))
		}
	}
	return all, nil
}

// sample is a subject that fits to one with wildcards; no component subscribes to it, since ids have
// no capital letters. It is the subject itself if it has no wildcards.
func sample(subject string) string {
	return strings.NewReplacer("*", "PROBE", ">", "0.0").Replace(subject)
}

// permits reports whether a server permits that which use does.
func permits(ctx context.Context, server *natsgo.Conn, use func() error) (bool, error) {
	before := server.LastError()
	if err := use(); err != nil {
		return false, err
	}
	if err := server.FlushWithContext(ctx); err != nil { // the refusal comes before the answer to it
		return false, cmp.Or(context.Cause(ctx), err)
	}
	after := server.LastError()
	return after == before || !errors.Is(after, natsgo.ErrPermissionViolation), nil
}

// Await waits until a server takes the connection of a host of this configuration, or ctx ends. The
// error is that of the last try that was not cut off.
func Await(ctx context.Context, config Config) error {
	c := config.withDefaults()
	if _, err := c.check(); err != nil {
		return fmt.Errorf("NATS: %w", err)
	}
	again := time.NewTicker(250 * time.Millisecond)
	defer again.Stop()
	var before error
	for {
		_, err := Probe(ctx, config, Permissions{})
		switch {
		case err == nil, staysWrong(err): // such as a wrong password
			return err
		case before == nil:
			c.Logger.Warn("no connection to NATS yet, it is tried again", "reason", err.Error())
		case ctx.Err() != nil:
			return before
		}
		before = err
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}
