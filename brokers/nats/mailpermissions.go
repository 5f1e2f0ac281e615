package nats

import (
	"cmp"
	"context"
	"errors"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/airhost/airhost/core"
)

// WithMail returns the permissions with those for durable mailboxes: of the host's own components that
// have one, and of others that it may send to. Every host reads the directory of those that there are.
func (p Permissions) WithMail(cluster, host string, own []core.ComponentID, sends []core.IDPattern) Permissions {
	s, host := newSubjects(cmp.Or(cluster, DefaultCluster)), anyIfEmpty(host)
	const api = "$JS.API."
	publish := append(append(readBucket(s.bucket()), api+"STREAM.MSG.GET.KV_"+s.bucket()), s.allBelow("mail", sends)...)
	if len(own) > 0 {
		publish = append(publish, api+"STREAM.INFO."+s.stream(), api+"STREAM.CREATE."+s.stream(), api+"STREAM.CREATE.KV_"+s.bucket())
	}
	for _, id := range own {
		consumer := s.stream() + "." + s.consumer(id)
		publish = append(publish, s.mail(id), s.entry(id), api+"CONSUMER.CREATE."+consumer+"."+s.mail(id),
			api+"CONSUMER.DELETE."+consumer, api+"CONSUMER.INFO."+consumer, s.next(s.consumer(id)), "$JS.ACK."+consumer+".>")
	}
	return p.with(publish, []string{s.stored(host), s.inbox(host) + ".>"})
}

// changesStream reports whether messages on a subject may change something in JetStream.
func changesStream(subject string) bool {
	return strings.HasPrefix(subject, "$") || strings.Contains(subject, ".mail.")
}

// probe is a message for a subject that changes nothing there: no stream takes it, and JetStream
// refuses all that it cannot read.
func probe(subject string) *natsgo.Msg {
	m := &natsgo.Msg{Subject: sample(subject)}
	if changesStream(subject) {
		m.Data, m.Header = []byte("airhost check"), natsgo.Header{jetstream.ExpectedStreamHeader: {"PROBE"}}
	}
	return m
}

// ProbeMail asks the servers if they have JetStream, and if the stream of durable mailboxes, should it be
// there, can hold them. The error gives advice, and so does a warning that more servers could keep them.
func ProbeMail(ctx context.Context, config Config) (warning string, err error) {
	b, err := New(config)
	if err != nil {
		return "", err
	}
	server, err := dialOnce(ctx, b.config, b.options)
	if err != nil {
		return "", err
	}
	defer server.Close()
	if b.mail.js, err = jetstream.New(server); err != nil {
		return "", err
	}
	replicas := b.config.mailReplicas()
	r := replicated{want: replicas, outcome: "durable mailboxes stand still while its server is away, and are lost with its disk"}
	for _, want := range []jetstream.StreamConfig{streamConfig(b.subjects, replicas), bucketConfig(b.subjects, replicas)} {
		stream, err := b.found(ctx, want)
		r.stream, r.have = want.Name, 0
		switch {
		case err == nil:
			r.have = stream.CachedInfo().Config.Replicas
		case !errors.Is(err, jetstream.ErrStreamNotFound):
			return "", err
		}
		if warning == "" {
			warning = r.warning(server.ConnectedClusterName())
		}
	}
	return warning, nil
}
