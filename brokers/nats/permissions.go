package nats

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/airhost/airhost/core"
)

// DefaultCluster is the default of [Config] Cluster.
const DefaultCluster = "default"

// Permissions are the subjects that a host uses, as NATS has permissions: its servers need to
// grant no others.
type Permissions struct {
	Publish   []string
	Subscribe []string
	bucket    string // of the leases, if it needs them
}

// NewPermissions returns the permissions of a host with its own components, which may message
// the targets. host is the name of the host. If it is empty, the permissions are those of a host
// of any name, since NATS has no pattern for a part of a name: they are wider.
func NewPermissions(cluster, host string, own []core.ComponentID, targets []core.IDPattern) Permissions {
	s := newSubjects(cmp.Or(cluster, DefaultCluster))
	me := anyIfEmpty(host)
	publish := []string{s.hosts(), s.outcomes("*"), s.receipts("*"), s.status("*"), s.answer("*", "*")}
	subscribe := []string{s.hosts(), s.outcomes(me), s.receipts(me), s.status(me), s.answer(me, "*")}
	for _, id := range own {
		subscribe = append(subscribe, s.to(id))
	}
	return Permissions{}.with(append(publish, s.allBelow("to", targets)...), subscribe)
}

// with returns the permissions with others, each once and in order.
func (p Permissions) with(publish, subscribe []string) Permissions {
	p.Publish, p.Subscribe = merged(p.Publish, publish), merged(p.Subscribe, subscribe)
	return p
}

func merged(a, b []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(slices.Concat(a, b))))
}

// WithPlacement returns the permissions with those for components with "place: any": the bucket of the
// leases, and requests of other hosts and to them. host is as in [NewPermissions].
func (p Permissions) WithPlacement(cluster, host string) Permissions {
	s, host := newSubjects(cmp.Or(cluster, DefaultCluster)), anyIfEmpty(host)
	p.bucket = s.leases()
	stream := "KV_" + p.bucket
	return p.with(append(readBucket(p.bucket), "$KV."+p.bucket+".>", s.take("*"), s.inbox("*")+".>", "$JS.API.INFO", "$JS.API.STREAM.CREATE."+stream),
		[]string{s.take(host), s.inbox(host) + ".>"})
}

// readBucket are the subjects to which a host publishes that reads a bucket.
func readBucket(name string) []string {
	const api = "$JS.API."
	stream := "KV_" + name
	return []string{
		api + "STREAM.INFO." + stream, api + "CONSUMER.CREATE." + stream + ".>", api + "CONSUMER.DELETE." + stream + ".>", "$JS.FC." + stream + ".>",
	}
}

// WithTopics returns the permissions with those for publications: a host whose components may publish on
// topics, and those to which they have subscribed.
func (p Permissions) WithTopics(cluster string, published, subscribed []core.TopicPattern) Permissions {
	s := newSubjects(cmp.Or(cluster, DefaultCluster))
	return p.with(s.allTopics(published), s.allTopics(subscribed))
}

// allTopics are the subjects of patterns. NATS has the same patterns.
func (s subjects) allTopics(patterns []core.TopicPattern) (all []string) {
	for _, pattern := range patterns {
		if !slices.ContainsFunc(patterns, func(p core.TopicPattern) bool { return p != pattern && p.Covers(pattern) }) {
			all = append(all, s.topics(pattern.String()))
		}
	}
	return all
}

func anyIfEmpty(host string) string {
	if host == "" {
		return "*"
	}
	return host
}

// below is where messages of a kind, such as to, go to all components that match a pattern.
func (s subjects) below(kind string, pattern core.IDPattern) string {
	namespace, name, divided := strings.Cut(pattern.String(), "/")
	if !divided {
		name = "*"
	}
	return s.prefix + "." + kind + "." + part(namespace) + "." + part(name)
}

// allBelow is below for all patterns that no other one covers.
func (s subjects) allBelow(kind string, patterns []core.IDPattern) (all []string) {
	for _, pattern := range patterns {
		if !covered(pattern, patterns) {
			all = append(all, s.below(kind, pattern))
		}
	}
	return all
}

// covered reports whether another one of the patterns matches all that a pattern matches.
func covered(pattern core.IDPattern, all []core.IDPattern) bool {
	namespace, _, divided := strings.Cut(pattern.String(), "/")
	return divided && slices.ContainsFunc(all, func(p core.IDPattern) bool {
		return p != pattern && (p.String() == "*" || p.String() == namespace+"/*")
	})
}

// PublicKey returns the public key of the seed in a file, as [Config] NKey names one: servers
// know the user by it.
func PublicKey(seedFile string) (string, error) {
	pair, public, err := readNKey(seedFile)
	if err != nil {
		return "", err
	}
	pair.Wipe()
	return public, nil
}

// readNKey reads the seed of a user.
func readNKey(seedFile string) (pair nkeys.KeyPair, public string, err error) {
	text, err := os.ReadFile(seedFile)
	if err != nil {
		return nil, "", err
	}
	defer clear(text)
	if pair, err = nkeys.ParseDecoratedUserNKey(text); err == nil {
		public, err = pair.PublicKey()
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: want the seed of a user's nkey, as nsc or nk -gen user writes it: %w", seedFile, err)
	}
	return pair, public, nil
}

// Redacted returns the addresses of servers without the names and passwords in them.
func Redacted(url string) string {
	all := strings.Split(url, ",")
	for i, one := range all {
		if scheme, rest, found := strings.Cut(one, "://"); found {
			all[i] = scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
		}
	}
	return strings.Join(all, ",")
}
