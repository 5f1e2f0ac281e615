package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// NATS is how the host joins others.
type NATS struct {
	URL         string           `yaml:"url,omitempty" jsonschema:"minLength=1,default=nats://127.0.0.1:4222" jsonschema_description:"The servers, as nats://host:4222, several divided by commas; tls://, ws:// and wss:// are possible too. A name and a password may stand before the host, with @ behind them."`
	Cluster     ClusterName      `yaml:"cluster,omitempty" jsonschema:"default=default" jsonschema_description:"The name that the hosts of a cluster share. Clusters with different names may use the same servers, and do not see each other."`
	Name        ClusterName      `yaml:"name,omitempty" jsonschema_description:"The host's name, which must be its own in the cluster. By default it is the machine's, with an end by chance."`
	Credentials string           `yaml:"credentials,omitempty" jsonschema:"minLength=1" jsonschema_description:"A file, relative to this one, by which the host proves who it is: one as nsc writes it, with a JWT and a seed."`
	NKey        string           `yaml:"nkey,omitempty" jsonschema:"minLength=1" jsonschema_description:"A file, relative to this one, with the seed of an nkey, in place of credentials."`
	TLS         NATSTLS          `yaml:"tls,omitempty" jsonschema_description:"For servers with TLS."`
	Labels      map[string]Label `yaml:"labels,omitempty" jsonschema_description:"What describes the host for the others, such as zone: a."`
	Replicas    int              `yaml:"replicas,omitempty" jsonschema:"minimum=1,maximum=5" jsonschema_description:"How many servers of a cluster of NATS keep each durable mailbox (delivery: durable), and the leases of components with place: any: 1, 3 or 5. By default it is 1 for mailboxes, and for leases 3 if the servers are a cluster."`
	Lease       Duration         `yaml:"lease,omitempty" jsonschema:"minimum=1s,maximum=1h,default=5s" jsonschema_description:"How long the host may be silent before the others take it for gone."`
	Embedded    bool             `yaml:"embedded,omitempty" jsonschema:"default=false" jsonschema_description:"Run a NATS server in the host's process, at the address of url, in a build with the tag nats_server. It takes the name and the password of url, or the nkey, from all hosts, and shows them tls.certificate."`
	Store       string           `yaml:"store,omitempty" jsonschema:"minLength=1" jsonschema_description:"The folder, relative to this file, for what the embedded server keeps. It is made if need be, and is one server's own."`
}

// NATSTLS are the files of TLS with the servers.
type NATSTLS struct {
	CA          string `yaml:"ca,omitempty" jsonschema:"minLength=1" jsonschema_description:"A PEM file, relative to this one, with the certificates that vouch for the servers; the system's by default."`
	Certificate string `yaml:"certificate,omitempty" jsonschema:"minLength=1" jsonschema_description:"A PEM file, relative to this one, with the host's own certificate, for servers that ask for one."`
	Key         string `yaml:"key,omitempty" jsonschema:"minLength=1" jsonschema_description:"A PEM file, relative to this one, with the key of the certificate."`
}

// ClusterName is the name of a cluster or of a host in it.
type ClusterName string

// Label is the value of a label.
type Label string

const (
	clusterPattern = `^[A-Za-z0-9_.-]{1,64}$`
	labelPattern   = `^[A-Za-z0-9_.-]{1,63}$`
	maxLabels      = 64
)

var (
	errClusterName = errors.New("want 1 to 64 letters, digits, '-', '_' and '.'")
	errLabel       = errors.New("want 1 to 63 letters, digits, '-', '_' and '.'")
	errURL         = errors.New("want nats://host:4222, tls://, ws:// or wss://, several divided by commas")

	clusterSyntax = regexp.MustCompile(clusterPattern)
	labelSyntax   = regexp.MustCompile(labelPattern)
	labelKey      = regexp.MustCompile(`^` + idPart + `$`)
)

// UnmarshalText checks the name.
func (c *ClusterName) UnmarshalText(text []byte) error {
	return checked(c, text, clusterSyntax, errClusterName)
}

// UnmarshalText checks the value.
func (l *Label) UnmarshalText(text []byte) error { return checked(l, text, labelSyntax, errLabel) }

// MarshalText is the inverse of UnmarshalText.
func (c ClusterName) MarshalText() ([]byte, error) { return []byte(c), nil }

// MarshalText is the inverse of UnmarshalText.
func (l Label) MarshalText() ([]byte, error) { return []byte(l), nil }

func checked[T ~string](into *T, text []byte, syntax *regexp.Regexp, wrong error) error {
	if !syntax.Match(text) {
		return wrong
	}
	*into = T(text)
	return nil
}

// UsesNATS reports whether the host joins others by NATS.
func (h *Host) UsesNATS() bool { return h.Broker.Name == "nats" }

// mayBeJoined reports whether the broker may know components that are not in the file.
func (h *Host) mayBeJoined() bool { return h.Broker.Plugin != nil || h.UsesNATS() }

// nats notes contradictions in host.nats.
func (d *decoder) nats(h *Host) {
	const path = "host.nats"
	if !d.file.given(path) {
		return
	}
	n := &h.NATS
	if !h.UsesNATS() && !d.wrong("host.broker") {
		d.at(path, "is for the broker nats alone: set host.broker to nats, or leave it out")
	}
	if n.URL != "" && !d.wrong(path+".url") && !serverURLs(n.URL) {
		d.at(path+".url", "%s", errURL) // without the value, which may have a password
	}
	if n.Credentials != "" && n.NKey != "" {
		d.at(path+".nkey", "is there beside credentials: keep one of the two")
	}
	certificate, key := path+".tls.certificate", path+".tls.key"
	switch {
	case d.file.given(certificate) && !d.file.given(key):
		d.at(certificate, "needs its key beside it")
	case d.file.given(key) && !d.file.given(certificate):
		d.at(key, "needs its certificate beside it")
	}
	if n.Replicas != 0 && n.Replicas%2 == 0 && !d.wrong(path+".replicas") {
		d.at(path+".replicas", "%d is even: want 1, 3 or 5", n.Replicas)
	}
	d.labels(n.Labels, path+".labels")
	d.embedded(n)
}

// delivery notes a durable mailbox that nothing keeps, and a key that is for durable mailboxes alone.
func (d *decoder) delivery(c *Component, path string) {
	durable, most := path+".delivery", path+".restart.max_deliver"
	switch {
	case c.Delivery != deliveryDurable && d.file.given(most) && c.Restart.MaxDeliver != defaultMaxDeliver && !d.wrong(durable) && !d.wrong(most):
		d.at(most, "is for delivery: durable alone: set delivery, or leave it out")
	case c.Delivery == deliveryDurable && !d.file.Host.UsesNATS() && !d.wrong("host.broker"):
		d.at(durable, "is durable, and the host's broker keeps no messages: set host.broker to nats, or leave delivery out")
	}
}

const (
	deliveryDurable   = "durable"
	defaultMaxDeliver = 5
)

func (d *decoder) labels(all map[string]Label, path string) {
	if len(all) > maxLabels {
		d.at(path, "are %d, want %d at most", len(all), maxLabels)
	}
	for key := range all {
		if !labelKey.MatchString(key) {
			d.at(path+"."+key, "%q is no name of a label: want 1 to 63 of a-z, 0-9, '-', '_' and '.'", clip(key))
		}
	}
}

// serverURLs reports whether a text has the addresses of servers.
func serverURLs(text string) bool {
	for one := range strings.SplitSeq(text, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Hostname() == "" {
			return false
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return false
		}
	}
	return true
}

// files are those that host.nats names, by their keys.
func (n *NATS) files() map[string]*string {
	all := map[string]*string{
		"credentials": &n.Credentials, "nkey": &n.NKey, "tls.ca": &n.TLS.CA, "tls.certificate": &n.TLS.Certificate, "tls.key": &n.TLS.Key,
	}
	for key, path := range all {
		if *path == "" {
			delete(all, key)
		}
	}
	return all
}

// locate joins the files to the file's folder. It returns a mistake for each one that does not
// exist.
func (n *NATS) locate(f *File) (missing Mistakes) {
	if n.Store != "" {
		n.Store = f.path(n.Store)
	}
	for key, path := range n.files() {
		*path = f.path(*path)
		if err := readable(*path); err != nil {
			missing = append(missing, f.Mistake("host.nats."+key, fmt.Sprintf("%s: %s", *path, reason(err))))
		}
	}
	return missing
}

// userInfo is what stands between :// and @ in an address: a name and perhaps a password. More is
// taken for it than less.
var userInfo = regexp.MustCompile(`://.*@`)

// withoutUserInfo returns a text with stars for names and passwords in addresses.
func withoutUserInfo(text string) string {
	return userInfo.ReplaceAllStringFunc(text, func(found string) string {
		return "://" + stars(strings.TrimSuffix(strings.TrimPrefix(found, "://"), "@")) + "@"
	})
}
