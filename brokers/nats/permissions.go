package nats

import (
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
	s := newSubjects(Config{Cluster: cluster}.withDefaults().Cluster)
	p := Permissions{
		Publish:   []string{s.hosts(), s.outcomes("*"), s.receipts("*")},
		Subscribe: []string{s.hosts(), s.outcomes(anyIfEmpty(host)), s.receipts(anyIfEmpty(host))},
	}
	for _, id := range own {
		p.Subscribe = append(p.Subscribe, s.to(id))
		if !slices.ContainsFunc(targets, func(p core.IDPattern) bool { return p.Matches(id) }) {
			p.Publish = append(p.Publish, s.to(id)) // its messages follow it when it moves
		}
	}
	for _, target := range targets {
		if !covered(target, targets) {
			p.Publish = append(p.Publish, s.toAll(target))
		}
	}
	p.sort()
	return p
}

// AddPlacement adds the subjects that a host needs for components with "place: any": the bucket of the leases, and
// requests of other hosts and to them. host is as in [NewPermissions].
func (p *Permissions) AddPlacement(cluster, host string) {
	s := newSubjects(Config{Cluster: cluster}.withDefaults().Cluster)
	stream := "KV_" + s.leases()
	p.bucket = s.leases()
	p.Publish = append(p.Publish, "$KV."+p.bucket+".>", s.take("*"), s.inbox("*")+".>", "$JS.FC."+stream+".>",
		"$JS.API.INFO", "$JS.API.STREAM.INFO."+stream, "$JS.API.STREAM.CREATE."+stream, "$JS.API.CONSUMER.CREATE."+stream+".>", "$JS.API.CONSUMER.DELETE."+stream+".>")
	p.Subscribe = append(p.Subscribe, s.take(anyIfEmpty(host)), s.inbox(anyIfEmpty(host))+".>")
	p.sort()
}

func (p *Permissions) sort() {
	for _, list := range []*[]string{&p.Publish, &p.Subscribe} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
}

func anyIfEmpty(host string) string {
	if host == "" {
		return "*"
	}
	return host
}

// toAll is where messages to all components go that match a pattern.
func (s subjects) toAll(pattern core.IDPattern) string {
	namespace, name, divided := strings.Cut(pattern.String(), "/")
	if !divided {
		name = "*"
	}
	return s.prefix + ".to." + part(namespace) + "." + part(name)
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
	text, err := os.ReadFile(seedFile)
	if err != nil {
		return "", err
	}
	defer clear(text)
	pair, err := nkeys.ParseDecoratedNKey(text)
	if err != nil {
		return "", fmt.Errorf("%s: want the seed of a user's nkey, as nsc or nk -gen user writes it: %w", seedFile, err)
	}
	defer pair.Wipe()
	return pair.PublicKey()
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
