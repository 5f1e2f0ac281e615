package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/internal/config"
)

const natsFile = `
host:
  broker: nats
  nats:
    url: nats://shop:${SECRET}@one:4222,tls://two
    cluster: prod.eu
    name: host-1
    credentials: ./host.creds
    tls: {ca: ca.pem, certificate: host.pem, key: host.key}
    labels: {zone: a, rack: "7"}
    lease: 2s
components:
  - {id: shop/orders, source: echo, engine: native, capabilities: {send: [other/place], request: ["far/*"]}}
gateway: {http: {listen: "127.0.0.1:8080", routes: [{path: /, target: far/away}]}}
`

// TestNATS: all keys of host.nats, with files relative to the configuration, that must exist.
func TestNATS(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "airhost.yaml")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("airhost.yaml", natsFile)
	_, err := config.Load(path, built)
	for _, name := range [][2]string{{"credentials", "host.creds"}, {"tls.ca", "ca.pem"}, {"tls.certificate", "host.pem"}, {"tls.key", "host.key"}} {
		if want := "host.nats." + name[0] + ": " + filepath.Join(dir, name[1]) + ": no such file"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for _, name := range []string{"host.creds", "ca.pem", "host.pem", "host.key"} {
		write(name, "")
	}
	f, err := config.Load(path, built)
	if err != nil {
		t.Fatal(err)
	}
	want := config.NATS{
		URL: "nats://shop:hunter2@one:4222,tls://two", Cluster: "prod.eu", Name: "host-1",
		Credentials: filepath.Join(dir, "host.creds"),
		TLS:         config.NATSTLS{CA: filepath.Join(dir, "ca.pem"), Certificate: filepath.Join(dir, "host.pem"), Key: filepath.Join(dir, "host.key")},
		Labels:      map[string]config.Label{"zone": "a", "rack": "7"}, Lease: config.Duration(2 * time.Second),
	}
	if diff := cmp.Diff(want, f.Host.NATS); diff != "" {
		t.Errorf("host.nats, want -, got +:\n%s", diff)
	}
	if warnings := f.Warnings(); len(warnings) > 0 {
		t.Errorf("got %v, want no warning for targets that another host may have", warnings)
	}
}

// TestNATSPathsAreAbsolute: files that were loaded by other names can be compared.
func TestNATSPathsAreAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"host.nk": "", "airhost.yaml": "host: {broker: nats, nats: {nkey: host.nk, embedded: true, store: store}}\ncomponents: [{id: a/b, source: echo, engine: native}]\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := config.Load("airhost.yaml", built)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := f.Absolute()
	if err != nil || !filepath.IsAbs(whole.Host.NATS.NKey) || !filepath.IsAbs(whole.Host.NATS.Store) {
		t.Errorf("the absolute file has nkey %q, %v", whole.Host.NATS.NKey, err)
	}
	if f.Host.NATS.NKey != "host.nk" {
		t.Errorf("the file itself has changed: %q", f.Host.NATS.NKey)
	}
}

// TestNATSPasswordIsHidden: whatever is wrong around an address, no mistake tells its password.
func TestNATSPasswordIsHidden(t *testing.T) {
	for _, host := range []string{
		"nats: {url: 'nats://shop:opensesame@one'}",
		"broker: nats, nats: {url: 'nats:// shop:opensesame@one'}",
		"broker: nats, nats: {url: 'nats://shop:open%zzsesame@one'}",
		"broker: nats, nats: {url: 'mats://shop:opensesame@one', lease: 1ms}",
		"broker: nats, nats: {url: ['nats://shop:opensesame@one']}",
		"broker: nats, nats: {url: 'nats://${NONE}:opensesame@one'}",
		"broker: nats, nats: {url: 'nats://shop:$opensesame@one'}",
		"broker: nats, nats: {url: 'nats://shop:${SECRET}@one:x'}",
		"broker: nats, nats: {url: '${NONE:-mats://shop:opensesame@one}'}",
		"broker: nats, nats: {cluster: 'nats://shop:opensesame@" + strings.Repeat("one", 50) + "'}",
		"broker: nats, nats: {urls: 'nats://shop:opensesame@one'}",
	} {
		_, err := config.Decode("a.yaml", fmt.Appendf(nil, "host: {%s}\ncomponents: [{id: a/b, source: echo, engine: native}]\n", host), built)
		if err == nil {
			t.Errorf("%s: no mistake", host)
			continue
		}
		for _, secret := range []string{"sesame", "hunter2"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the mistake tells the password:\n%v", host, err)
			}
		}
	}
}

// TestNATSAddresses: the addresses of servers that are accepted, and those that are not.
func TestNATSAddresses(t *testing.T) {
	for address, good := range map[string]bool{
		"nats://one": true, "nats://one:4222": true, "tls://one,wss://two:443": true, "ws://[::1]:80": true, "nats://a, nats://b": true,
		"nats://token@one": true, "one": false, "one:4222": false, "nats://": false, "nats://one,": false, "http://one": false, "nats://one:port": false,
	} {
		_, err := config.Decode("a.yaml", fmt.Appendf(nil, "host: {broker: nats, nats: {url: %q}}\ncomponents: [{id: a/b, source: echo, engine: native}]\n", address), built)
		if (err == nil) != good {
			t.Errorf("%s: got %v, want it accepted: %v", address, err, good)
		}
	}
}

// TestWarningsOfTopicsOfACluster: on hosts that are joined anybody may publish and subscribe, so that
// nothing is said about it; but a queue group in which other hosts have no part is told.
func TestWarningsOfTopicsOfACluster(t *testing.T) {
	const text = `
host: {broker: %s}
components:
  - {id: a/b, source: echo, engine: native, capabilities: {publish: [far.away]}, subscribe: [orders.eu, {topic: orders.*, queue: q}, {topic: "stock.*", queue: r}]}
  - {id: a/c, source: echo, engine: native, subscribe: [{topic: orders.*, queue: q}, orders.eu, {topic: orders.>, queue: q}]}
`
	for broker, want := range map[string][]string{
		"nats": {
			"a.yaml:4:105: components[0].subscribe[1]: gets nothing of other hosts, since orders.eu before it may count in its place: put the entry with the queue first",
			"a.yaml:5:97: components[1].subscribe[2]: gets nothing of other hosts, since orders.eu before it may count in its place: put the entry with the queue first",
		},
		"inproc": {"a.yaml:4:70: components[0].capabilities.publish[0]: no component of this file has subscribed to what matches far.away"},
	} {
		f, err := config.Decode("a.yaml", fmt.Appendf(nil, text, broker), built)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range f.Warnings() {
			got = append(got, w.Summary())
		}
		if broker == "inproc" {
			got = got[:min(1, len(got))] // and others about what nobody publishes
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: warnings, want -, got +:\n%s", broker, diff)
		}
	}
}

// TestEmbedded: a host has a server in its process only if that can listen, and knows its clients.
func TestEmbedded(t *testing.T) {
	const password = "hunter"
	for keys, want := range map[string]string{
		"embedded: true, store: s":                                                              "",
		"embedded: true, store: s, url: 'nats://localhost:4260'":                                "",
		"embedded: true, store: s, url: 'nats://[::1]'":                                         "",
		"embedded: true, store: s, url: 'nats://a:hunter@10.0.0.1:4222'":                        "",
		"embedded: true, store: s, url: 'nats://hunter@0.0.0.0'":                                "",
		"embedded: true, store: s, url: 'nats://10.0.0.1', nkey: f":                             "",
		"embedded: true, store: s, url: 'tls://10.0.0.1', tls: {certificate: f, key: f, ca: f}": "",
		"embedded: true, store: s, url: 'tls://127.0.0.1', tls: {certificate: f, key: f}":       "",
		"embedded: false":           "",
		"store: s":                  "host.nats.store: is for a host with a server in its process: set embedded: true",
		"embedded: false, store: s": "host.nats.store: is for a host with a server in its process: set embedded: true",
		"embedded: true":            "host.nats.embedded: needs a folder for what the server keeps: set store",
		"embedded: true, store: s, credentials: f":                                           "host.nats.credentials: are for servers with an operator",
		"embedded: true, store: s, tls: {ca: f}":                                             "host.nats.tls.ca: needs a certificate and its key",
		"embedded: true, store: s, url: 'nats://127.0.0.1,nats://127.0.0.2'":                 "host.nats.url: has several servers",
		"embedded: true, store: s, url: 'wss://127.0.0.1'":                                   "host.nats.url: is one of WebSockets",
		"embedded: true, store: s, url: 'tls://127.0.0.1'":                                   "host.nats.url: is one of TLS",
		"embedded: true, store: s, url: 'nats://127.0.0.1:0'":                                "host.nats.url: needs the port",
		"embedded: true, store: s, nkey: f, url: 'nats://a:hunter@127.0.0.1'":                "host.nats.url: has a name or a token beside nkey",
		"embedded: true, store: s, url: 'nats://10.0.0.1'":                                   "host.nats.url: can be reached from other machines",
		"embedded: true, store: s, url: 'nats://0.0.0.0'":                                    "host.nats.url: can be reached from other machines",
		"embedded: true, store: s, url: 'nats://node-1'":                                     "host.nats.url: can be reached from other machines",
		"embedded: true, store: s, url: 'nats://node-1:4222', tls: {certificate: f, key: f}": "host.nats.url: can be reached from other machines",
	} {
		text := fmt.Appendf(nil, "host: {broker: nats, nats: {%s}}\ncomponents: [{id: a/b, source: echo, engine: native}]\n", keys)
		_, err := config.Decode("a.yaml", text, built)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), password)) {
			t.Errorf("%s: got %v, want %s", keys, err, want)
		}
	}
	without := built
	without.NATSServer = "build it with a tag"
	text := "host: {broker: nats, nats: {embedded: true, store: s}}\ncomponents: [{id: a/b, source: echo, engine: native}]\n"
	if _, err := config.Decode("a.yaml", []byte(text), without); err == nil || !strings.Contains(err.Error(), "host.nats.embedded: there is no NATS server in this airhost: build it with a tag") {
		t.Errorf("in a build without the server got %v", err)
	}
}

// TestListens: the embedded server has its address and its clients' password from the url.
func TestListens(t *testing.T) {
	for url, want := range map[string]string{
		"": "127.0.0.1:4222  ", "nats://10.0.0.1": "10.0.0.1:4222  ", "tls://[::1]:4260": "[::1]:4260  ",
		"nats://a:b%20c@localhost": "localhost:4222 a b c", " nats://token@localhost:1": "localhost:1 token ",
	} {
		n := config.NATS{URL: url}
		if address, name, password := n.Listens(); strings.Join([]string{address, name, password}, " ") != want {
			t.Errorf("%s: got %s %s %s, want %s", url, address, name, password, want)
		}
	}
}

// TestDelivery: a durable component needs the broker nats, also by defaults; restart.max_deliver of the
// defaults is for durable components alone.
func TestDelivery(t *testing.T) {
	text := "host: {broker: nats, nats: {replicas: 3}}\ndefaults: {delivery: durable, restart: {max_deliver: 7}}\ncomponents: [{id: a/b, source: x}, {id: a/c, source: x, delivery: memory}, {id: a/d, source: x, delivery: durable, restart: {max_deliver: 2}}]\n"
	file, err := config.Decode("a.yaml", []byte(text), built)
	if err != nil {
		t.Fatal(err)
	}
	if file.Host.NATS.Replicas != 3 {
		t.Errorf("%d replicas", file.Host.NATS.Replicas)
	}
	for i, want := range []string{"durable 7", "memory 0", "durable 2"} {
		c := file.Components[i]
		if got := fmt.Sprint(c.Delivery, " ", c.Restart.MaxDeliver); got != want {
			t.Errorf("component %d: %s, want %s", i, got, want)
		}
	}
	_, err = config.Decode("a.yaml", []byte(strings.Replace(text, "broker: nats, nats: {replicas: 3}", "broker: inproc", 1)), built)
	if err == nil || !strings.Contains(err.Error(), "set host.broker to nats, or leave delivery out") {
		t.Errorf("without the broker nats: %v", err)
	}
}
