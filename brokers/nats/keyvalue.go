package nats

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	natsgo "github.com/nats-io/nats.go"
)

// Connection returns the broker's connection, which a store of key-value may use beside it, or why there
// is none now. The broker closes it. Publications while it is lost are refused, and not kept.
func (b *Broker) Connection() (*natsgo.Conn, error) {
	if refusal := b.refusal.Load(); refusal != nil {
		return nil, refusal
	}
	return b.server, nil
}

// KeyValueBucket returns the name of the bucket in NATS in which a cluster keeps the buckets of its
// components. cluster is as in [Config].
func KeyValueBucket(cluster string) string {
	return newSubjects(cmp.Or(cluster, DefaultCluster)).keyValue()
}

// keyValue is the name of the bucket of KeyValueBucket.
func (s subjects) keyValue() string { return "ah_" + s.cluster() + "_kv" }

// isKeyValue reports whether a subject is one of the store of key-value, or of its stream.
func (s subjects) isKeyValue(subject string) bool {
	name := s.keyValue()
	return strings.HasPrefix(subject, "$KV."+name+".") || strings.HasPrefix(subject, "$JS.") && strings.Contains(subject+".", ".KV_"+name+".")
}

// WithKeyValue returns the permissions with those for the stream in which components keep keys with
// values. They are of all buckets: the host itself keeps the components apart. host is as in
// [NewPermissions].
func (p Permissions) WithKeyValue(cluster, host string) Permissions {
	s, host := newSubjects(cmp.Or(cluster, DefaultCluster)), anyIfEmpty(host)
	const api = "$JS.API."
	name := s.keyValue()
	stream := "KV_" + name
	return p.with(append(readBucket(name), "$KV."+name+".>", api+"STREAM.CREATE."+stream, api+"STREAM.MSG.GET."+stream, api+"CONSUMER.MSG.NEXT."+stream+".>"),
		[]string{s.inbox(host) + ".>"})
}

// Dialed is a connection that is not a broker's.
type Dialed struct {
	config Config
	server *natsgo.Conn
}

// Dial connects to a server once, as a host of a configuration that only looks at something. The caller
// must call Close.
func Dial(ctx context.Context, config Config) (*Dialed, error) {
	c := config.withDefaults()
	options, err := c.check()
	if err != nil {
		return nil, fmt.Errorf("NATS: %w", err)
	}
	server, err := dialOnce(ctx, c, options)
	if err != nil {
		return nil, err
	}
	return &Dialed{c, server}, nil
}

// Connection returns the connection. The error is nil.
func (d *Dialed) Connection() (*natsgo.Conn, error) { return d.server, nil }

// Close closes the connection.
func (d *Dialed) Close() { d.server.Close() }

// ReplicasWarning says that more servers of NATS could keep a stream, and its outcome without its server,
// or nothing. have is how many keep it, 0 if it is not there yet.
func (d *Dialed) ReplicasWarning(stream string, have int, outcome string) string {
	return replicated{stream, have, d.config.mailReplicas(), outcome}.warning(d.server.ConnectedClusterName())
}
