package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// safeReplicas is how many servers must keep something so that one of them may be away.
const safeReplicas = 3

// mailReplicas is how many servers keep each durable mailbox.
func (c Config) mailReplicas() int { return max(1, c.Replicas) }

// leaseReplicas is how many servers keep the leases. Without a number in the configuration it is enough
// that one of a cluster may be away: else components would stop on all hosts.
func (c Config) leaseReplicas(clustered bool) int {
	if clustered {
		return cmp.Or(c.Replicas, safeReplicas)
	}
	return max(1, c.Replicas)
}

// isClustered reports whether the server is one of a cluster of NATS.
func (d *Directory) isClustered() bool { return d.broker.server.ConnectedClusterName() != "" }

// create makes the bucket. Without a number in the configuration one server keeps it if three cannot.
func (d *Directory) create(ctx context.Context, js jetstream.JetStream, name string) (bucket jetstream.KeyValue, err error) {
	config := jetstream.KeyValueConfig{
		Bucket: name, Description: "who runs the components of airhost with place: any", History: 1,
		Replicas: d.broker.config.leaseReplicas(d.isClustered()),
	}
	bucket, err = js.CreateKeyValue(ctx, config)
	if err != nil && config.Replicas > 1 && d.broker.config.Replicas == 0 && ctx.Err() == nil {
		config.Replicas = 1
		bucket, err = js.CreateKeyValue(ctx, config)
	}
	if errors.Is(err, jetstream.ErrBucketExists) { // another host was faster
		bucket, err = js.KeyValue(ctx, name)
	}
	return bucket, err
}

// noteReplicas logs that too few servers keep the leases, once for each number.
func (d *Directory) noteReplicas(have int) {
	d.mu.Lock()
	before := d.noted
	d.noted = have
	d.mu.Unlock()
	if want := d.broker.config.leaseReplicas(d.isClustered()); have < want && have != before {
		d.broker.log.Warn("too few NATS servers keep the leases of the cluster: when they are away, components with place: any stop",
			"servers", have, "want", want, "advice", editStream("KV_"+d.broker.subjects.leases(), want))
	}
}

// replicasOf returns how many servers keep a bucket.
func replicasOf(ctx context.Context, bucket jetstream.KeyValue) (int, error) {
	status, err := bucket.Status(ctx)
	if err != nil {
		return 0, err
	}
	if s, is := status.(*jetstream.KeyValueBucketStatus); is {
		return s.StreamInfo().Config.Replicas, nil
	}
	return 0, fmt.Errorf("the state of the bucket is a %T", status)
}

// The codes of JetStream for a stream with more replicas than it has servers for.
const (
	noCluster jetstream.ErrorCode = 10074
	noPeers   jetstream.ErrorCode = 10005
)

// fewServers is the advice after lacksServers.
const fewServers = "host.nats.replicas is how many servers of a cluster of NATS with JetStream keep it, and there are not so many: start them, or leave the key out"

// lacksServers reports whether there are fewer servers with JetStream than a stream is to have replicas.
func lacksServers(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && (refused.ErrorCode == noCluster || refused.ErrorCode == noPeers)
}

func editStream(name string, replicas int) string {
	return fmt.Sprintf("nats stream edit %s --replicas %d", name, replicas)
}

// replicated is a stream that a cluster of NATS keeps.
type replicated struct {
	stream  string
	have    int    // its replicas; 0 if it is not there yet
	want    int    // the replicas that it gets
	outcome string // what happens without its server
}

// warning says that more servers of a cluster could keep a stream, or nothing.
func (r replicated) warning(cluster string) string {
	n := cmp.Or(r.have, r.want)
	if cluster == "" || n >= safeReplicas {
		return ""
	}
	var advice []string
	if r.want < safeReplicas {
		advice = append(advice, fmt.Sprintf("set host.nats.replicas to %d", safeReplicas))
	}
	if r.have > 0 {
		advice = append(advice, "call "+editStream(r.stream, safeReplicas))
	}
	return fmt.Sprintf("the stream %s has %d of %d replicas that the NATS cluster %s could have, so that %s: %s", r.stream, n, safeReplicas, cluster, r.outcome, strings.Join(advice, ", and "))
}
