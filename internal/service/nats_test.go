package service

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/natstest"
)

// TestNATSSettings: the broker has all that the file says.
func TestNATSSettings(t *testing.T) {
	f := folder{t, t.TempDir()}
	for _, name := range []string{"host.creds", "ca.pem", "host.pem", "host.key"} {
		f.write(name, "")
	}
	file, err := config.Load(f.write("airhost.yaml", `
host:
  broker: nats
  nats: {url: "nats://one", cluster: prod, name: h1, credentials: host.creds, tls: {ca: ca.pem, certificate: host.pem, key: host.key}, labels: {zone: a}, lease: 2s, replicas: 3}
components: [{id: a/b, source: echo, engine: native}]
`), Built())
	if err != nil {
		t.Fatal(err)
	}
	want := nats.Config{
		URL: "nats://one", Cluster: "prod", Host: "h1", Credentials: f.file("host.creds"), CA: f.file("ca.pem"), Certificate: f.file("host.pem"), Key: f.file("host.key"),
		Labels: map[string]string{"zone": "a"}, Lease: 2 * time.Second, Replicas: 3,
	}
	if diff := cmp.Diff(want, NATS(file)); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	file.Host.NATS = config.NATS{NKey: "host.nk"}
	if diff := cmp.Diff(nats.Config{NKey: "host.nk"}, NATS(file)); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// TestNATSDefaults: the defaults and bounds in the schema are those of the broker.
func TestNATSDefaults(t *testing.T) {
	for field, want := range map[string]string{
		"URL": "default=" + natsgo.DefaultURL, "Cluster": "default=" + nats.DefaultCluster, "Lease": "minimum=" + nats.MinLease.String() + ",maximum=1h,default=" + nats.DefaultLease.String(),
	} {
		f, _ := reflect.TypeFor[config.NATS]().FieldByName(field)
		if tag := f.Tag.Get("jsonschema"); !strings.HasSuffix(tag, want) {
			t.Errorf("%s: the schema has %q, want %q", field, tag, want)
		}
	}
}

// TestOnlineWarns: a check says when one server keeps what three of a cluster could, each time once.
func TestOnlineWarns(t *testing.T) {
	f := folder{t, t.TempDir()}
	to := natstest.Cluster(t, "three", 3)[0].Addr().String()
	for replicas, want := range map[string]int{"1": 2, "3": 0} {
		text := strings.Replace(clusterFile(to, "a", "components: [{id: a/b, source: echo, engine: native, place: any}, {id: a/c, source: echo, engine: native, delivery: durable}]"), "lease: 1s", "lease: 1s, replicas: "+replicas, 1)
		file, err := config.Load(f.write("airhost.yaml", text), Built())
		check(t, err)
		found, err := Online(t.Context(), file)
		if n := strings.Count(found, ", but the stream "); n != want || strings.Count(found, "set host.nats.replicas to 3") != want || err != nil {
			t.Errorf("replicas %s: %v, %s, want %d warnings", replicas, err, found, want)
		}
	}
}
