package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/natsserver"
	"github.com/airhost/airhost/internal/natstest"
	"github.com/airhost/airhost/internal/service"
)

// shopFile is a host of a cluster. %s are the address of the server and further keys of host.nats.
const shopFile = `
host: {broker: nats, admin: "off", nats: {url: %q, cluster: prod.eu, name: shop-1%s}}
components:
  - {id: shop/orders, source: relay, engine: native, config: {to: far/echo, notify: far/audit}, capabilities: {send: [far/audit, "all.of/*"], request: [far/echo, all.of/them], publish: ["orders.*", orders.new, "a.>"]}}
  - {id: shop/audit, source: echo, engine: native, quota: {message_size: 8MiB}, subscribe: [{topic: "*.b", queue: q}, "stock.>", stock.low]}
gateway: {http: {listen: "127.0.0.1:0", routes: [{path: /, target: web/shop}]}}
schedules: [{every: 24h, target: far/sweeper}]
`

func shop(t *testing.T, url, more string) string {
	t.Helper()
	return writeFile(t, "airhost.yaml", fmt.Sprintf(shopFile, url, more))
}

// permissionsOf runs airhost nats permissions.
func permissionsOf(t *testing.T, file string) (all natsPermissions) {
	t.Helper()
	code, out, errs := runs("nats", "permissions", file)
	if err := json.Unmarshal([]byte(out), &all); code != exitDone || err != nil {
		t.Fatalf("exit code %d, %v, %s%s", code, err, out, errs)
	}
	return all
}

// TestNATSPermissions: the permissions are those that the file needs, and no more.
func TestNATSPermissions(t *testing.T) {
	want := natsPermissions{Cluster: "prod.eu", Host: "shop-1", Permissions: permissions{
		Publish: allowed{[]string{
			"$JS.API.CONSUMER.CREATE.KV_ah_prod--eu_durable.>", "$JS.API.CONSUMER.DELETE.KV_ah_prod--eu_durable.>",
			"$JS.API.STREAM.INFO.KV_ah_prod--eu_durable", "$JS.API.STREAM.MSG.GET.KV_ah_prod--eu_durable", "$JS.FC.KV_ah_prod--eu_durable.>",
			"ah.prod=eu.host.*.credit.>", "ah.prod=eu.host.*.out", "ah.prod=eu.host.*.status", "ah.prod=eu.host.*.status.*", "ah.prod=eu.hosts",
			"ah.prod=eu.mail.all=of.*", "ah.prod=eu.mail.far.audit", "ah.prod=eu.mail.far.sweeper", "ah.prod=eu.mail.web.shop",
			"ah.prod=eu.pub.a.>", "ah.prod=eu.pub.orders.*",
			"ah.prod=eu.to.all=of.*", "ah.prod=eu.to.far.audit", "ah.prod=eu.to.far.echo", "ah.prod=eu.to.far.sweeper", "ah.prod=eu.to.web.shop",
		}},
		Subscribe: allowed{[]string{
			"ah.prod=eu.host.shop-1.credit.>", "ah.prod=eu.host.shop-1.inbox.>", "ah.prod=eu.host.shop-1.out", "ah.prod=eu.host.shop-1.status", "ah.prod=eu.host.shop-1.status.*", "ah.prod=eu.host.shop-1.stored.>", "ah.prod=eu.hosts", "ah.prod=eu.pub.*.b", "ah.prod=eu.pub.stock.>", "ah.prod=eu.to.shop.audit", "ah.prod=eu.to.shop.orders",
		}},
	}}
	if diff := cmp.Diff(want, permissionsOf(t, shop(t, "nats://127.0.0.1", ""))); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	nameless := permissionsOf(t, writeFile(t, "a.yaml", "host: {broker: nats}\ncomponents: [{id: a/b, source: echo, engine: native, capabilities: {send: ['*', a/b]}}]\n"))
	if !slices.Contains(nameless.Permissions.Publish.Allow, "ah.default.to.*.*") || slices.Contains(nameless.Permissions.Publish.Allow, "ah.default.to.a.b") {
		t.Errorf("for * got %q", nameless.Permissions.Publish.Allow)
	}
	if !slices.Contains(nameless.Permissions.Subscribe.Allow, "ah.default.host.*.out") || len(nameless.Notes) != 1 || !strings.Contains(nameless.Notes[0], "host.nats.name is not set") {
		t.Errorf("without a name got %q, %q", nameless.Permissions.Subscribe.Allow, nameless.Notes)
	}
	code, _, errs := runs("nats", "permissions", writeFile(t, "b.yaml", oneEcho))
	if code != exitUsage || !strings.Contains(errs, "set host.broker to nats") {
		t.Errorf("of a file with another broker: exit code %d, %s", code, errs)
	}
}

// client is a connection that notices refusals.
type client struct {
	t *testing.T
	*natsgo.Conn
}

func connect(t *testing.T, url string, options ...natsgo.Option) client {
	t.Helper()
	c, err := natsgo.Connect(url, append(options, natsgo.ErrorHandler(func(*natsgo.Conn, *natsgo.Subscription, error) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return client{t, c}
}

// refuses reports whether the server refuses that which use does.
func (c client) refuses(use func() error) bool {
	c.t.Helper()
	before := c.LastError()
	if err := errors.Join(use(), c.Flush()); err != nil {
		c.t.Fatal(err)
	}
	return c.LastError() != before && errors.Is(c.LastError(), natsgo.ErrPermissionViolation)
}

func (c client) refusesPublish(subject string) bool {
	c.t.Helper()
	return c.refuses(func() error { return c.Publish(subject, nil) })
}

func (c client) refusesSubscribe(subject string) bool {
	c.t.Helper()
	return c.refuses(func() error { _, err := c.QueueSubscribe(subject, "airhost", func(*natsgo.Msg) {}); return err })
}

// withAuthorization runs a server with the authorization that the command writes for a file.
func withAuthorization(t *testing.T, file string, port int) *server.Server {
	t.Helper()
	code, out, errs := runs("nats", "permissions", file, "--output", "text")
	if code != exitDone {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	if strings.Contains(out, "sesame") {
		t.Errorf("the output tells the password:\n%s", out)
	}
	t.Setenv(passwordVariable, "open-sesame")
	options, err := server.ProcessConfigFile(writeFile(t, "nats-server.conf", out))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	options.Port = port
	return natstest.Serve(t, options)
}

// TestNATSServerKeepsThePermissions: a server with the authorization of the command takes what
// is granted, and refuses all else.
func TestNATSServerKeepsThePermissions(t *testing.T) {
	file := shop(t, "nats://shop:open-sesame@127.0.0.1", "")
	s := withAuthorization(t, file, 0)
	c := connect(t, s.ClientURL(), natsgo.UserInfo("shop", "open-sesame"))
	const head = "ah.prod=eu."
	for subject, granted := range map[string]bool{
		"to.far.echo": true, "to.far.audit": true, "to.all=of.x": true, "to.web.shop": true, "to.far.sweeper": true,
		"to.far.secret": false, "to.all.x": false, "to.shop.orders": false, "to.far": false, "to.far.echo.x": false, "to.>": false,
		"hosts": true, "host.other.credit.1.2": true, "host.other.out": true, "host.other": false, "host.other.status": true, "host.other.status.TOKEN": true, "host.other.status.a.b": false,
		"pub.orders": false, "pub.orders.x": true, "pub.orders.x.y": false, "pub.a.b.c": true, "pub.stock.low": false,
	} {
		if c.refusesPublish(head+subject) == granted {
			t.Errorf("publish to %s: granted is not %v", subject, granted)
		}
	}
	for subject, granted := range map[string]bool{
		"to.shop.orders": true, "to.shop.audit": true, "hosts": true, "host.shop-1.out": true, "host.shop-1.credit.>": true, "host.shop-1.credit.1.2": true, "host.shop-1.status": true, "host.shop-1.status.*": true, "host.shop-2.status": false, "host.*.status": false, "host.shop-1.>": false,
		"to.far.echo": false, "to.shop.*": false, "to.>": false, "host.shop-2.out": false, "host.*.out": false, "host.*.credit.>": false, ">": false,
		"pub.stock.>": true, "pub.stock.low": true, "pub.a.b": true, "pub.*.b": true, "pub.orders.*": false, "pub.*.*": false, "pub.>": false,
	} {
		if c.refusesSubscribe(head+subject) == granted {
			t.Errorf("subscribe to %s: granted is not %v", subject, granted)
		}
	}
	if !c.refusesPublish("ah.other.hosts") {
		t.Error("another cluster's subjects are granted")
	}
}

// TestNATSAuthorizationByKey: a host with an nkey is known by it.
func TestNATSAuthorizationByKey(t *testing.T) {
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	key := writeFile(t, "host.nk", string(seed))
	s := withAuthorization(t, shop(t, "nats://127.0.0.1", ", nkey: "+key), 0)
	option, err := natsgo.NkeyOptionFromSeed(key)
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, s.ClientURL(), option)
	if c.refusesPublish("ah.prod=eu.to.far.echo") || !c.refusesPublish("ah.prod=eu.to.far.secret") {
		t.Error("the permissions are not those of the file")
	}
	if code, out, errs := runs("check", "--online", shop(t, s.ClientURL(), ", nkey: "+key)); code != exitDone {
		t.Errorf("check --online: exit code %d, %s%s", code, out, errs)
	}
	bad := shop(t, "nats://127.0.0.1", ", nkey: "+writeFile(t, "bad.nk", "x"))
	if code, _, errs := runs("check", bad); code != exitUsage || !strings.Contains(errs, "host.nats: NATS broker: nkey ") {
		t.Errorf("check of a seed that is none: exit code %d, %s", code, errs)
	}
	code, _, errs := runs("nats", "permissions", bad, "--output", "text")
	if code != exitUsage || !strings.Contains(errs, "bad.nk: want the seed of a user's nkey") {
		t.Errorf("a seed that is none: exit code %d, %s", code, errs)
	}
}

// TestNATSNotes: the text says where a server cannot have the permissions, or the user.
func TestNATSNotes(t *testing.T) {
	file := writeFile(t, "a.pem", "")
	for _, c := range []struct{ url, more, want string }{
		{"nats://127.0.0.1", "", "Note: host.nats.url has no name and password yet"},
		{"nats://token@127.0.0.1", "", "Note: host.nats.url has a token"},
		{"nats://127.0.0.1", ", credentials: " + file, "Note: the permissions of a user with credentials are in them"},
		{"nats://127.0.0.1", fmt.Sprintf(", tls: {certificate: %s, key: %s}", file, file), "Note: with verify_and_map"},
	} {
		code, out, errs := runs("nats", "permissions", shop(t, c.url, c.more), "--output", "text")
		if code != exitDone || !strings.Contains(out, c.want) || strings.Contains(out, "token@") {
			t.Errorf("exit code %d, want %s, got %s%s", code, c.want, out, errs)
		}
	}
}

// TestCheckOnline: check connects, says in a line what it has found, and fails if the host could
// not work.
func TestCheckOnline(t *testing.T) {
	users := []*server.User{{Username: "shop", Password: "open-sesame"}}
	s := natstest.Serve(t, &server.Options{ServerName: "main", MaxPayload: 1 << 20, Users: users})
	url := "nats://shop:open-sesame@" + s.Addr().String()
	code, out, errs := runs("check", shop(t, url, ""), "--online")
	want := fmt.Sprintf("online: nats://%s (main, NATS %s): cluster prod.eu, messages up to 1047552 bytes, but quota.message_size of shop/audit is 8388608: ", s.Addr(), server.VERSION)
	if code != exitDone || !strings.Contains(out, want) || errs != "" {
		t.Errorf("exit code %d, want %s, got %s%s", code, want, out, errs)
	}
	users[0].Permissions = &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{"ah.prod=eu.to.far.echo"}}, Subscribe: &server.SubjectPermission{Deny: []string{"ah.*.to.shop.audit"}}}
	o := server.Options{Users: users}
	less := "nats://shop:open-sesame@" + natstest.Serve(t, &o).Addr().String()
	code, _, errs = runs("check", "--online", shop(t, less, ""))
	if want := `does not permit the host to publish to "ah.prod=eu.to.far.echo", to subscribe to "ah.prod=eu.to.shop.audit": `; code != exitFailed || !strings.Contains(errs, want) {
		t.Errorf("exit code %d, want %s, got %s", code, want, errs)
	}
	wrong := strings.Replace(url, "open-sesame", "close-sesame", 1)
	s.Shutdown()
	for name, url := range map[string]string{"no server": url, "wrong password": strings.Replace(less, "open", "close", 1), "neither": wrong} {
		code, out, errs = runs("check", "--online", shop(t, url, ""))
		if code != exitFailed || !strings.Contains(errs, "no connection to nats://127.0.0.1:") || strings.Contains(out+errs, "sesame") {
			t.Errorf("%s: exit code %d, %s%s", name, code, out, errs)
		}
	}
	if code, out, _ := runs("check", "--online", writeFile(t, "a.yaml", oneEcho)); code != exitDone || !strings.Contains(out, "online: nothing to connect to") {
		t.Errorf("another broker: exit code %d, %s", code, out)
	}
}

// far writes the file of another host of the cluster.
func far(t *testing.T, url string) string {
	t.Helper()
	return writeFile(t, "far.yaml", fmt.Sprintf("host: {broker: nats, admin: 'off', nats: {url: %q, cluster: prod.eu, name: far-1, labels: {zone: b}}}\ncomponents: [{id: far/echo, source: echo, engine: native, subscribe: [orders.new, {topic: 'orders.*', queue: q}], capabilities: {publish: [x.b]}}, {id: far/audit, source: counter, engine: native}]\n", url))
}

// userOf is a user with no more than the permissions of a file.
func userOf(t *testing.T, file, name string) *server.User {
	t.Helper()
	all := permissionsOf(t, file).Permissions
	return &server.User{Username: name, Password: "open-sesame", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: all.Publish.Allow}, Subscribe: &server.SubjectPermission{Allow: all.Subscribe.Allow},
	}}
}

// TestHostsWithTheirPermissions: two hosts with no more than their permissions message each other, and
// get the publications of each other, also while a check of one of them connects.
func TestHostsWithTheirPermissions(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	s := natstest.Serve(t, &server.Options{Users: []*server.User{
		userOf(t, shop(t, "nats://a", ""), "shop"), userOf(t, far(t, "nats://a"), "far"),
	}})
	url := func(name string) string { return "nats://" + name + ":open-sesame@" + s.Addr().String() }
	two := serveFile(t, far(t, url("far")))
	shopAt := shop(t, url("shop"), "")
	one := serveFile(t, shopAt)
	for range 3 {
		response, err := one.Request(t.Context(), core.MustComponentID("far/echo"), []byte("hello"))
		if err != nil || string(response) != "hello" {
			t.Errorf("got %q, %v", response, err)
		}
		if code, out, errs := runs("check", "--online", shopAt); code != exitDone {
			t.Errorf("check --online: exit code %d, %s%s", code, out, errs)
		}
	}
	for to, from := range map[*service.Service]*service.Service{one: two, two: one} {
		topic, sent := "orders.new", to.Snapshot().Sent
		if to == one {
			topic = "x.b"
		}
		for until := time.Now().Add(20 * time.Second); to.Snapshot().Sent == sent && time.Now().Before(until); <-time.After(time.Millisecond) {
			if err := from.Publish(core.MustTopic(topic), nil); err != nil { // again, until the server knows of the subscription
				t.Fatal(err)
			}
		}
		if to.Snapshot().Sent == sent {
			t.Errorf("a publication on %s has not come", topic)
		}
	}
}

// TestCallAside: the host that a call starts beside the one of its file has a name of its own in the
// cluster, reaches other hosts, and takes no messages of theirs. A server that permits the name of
// the file alone refuses it.
func TestCallAside(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	s := natstest.Serve(t, &server.Options{})
	c := connect(t, s.ClientURL())
	hosts, err := c.SubscribeSync("ah.prod=eu.hosts")
	if err != nil {
		t.Fatal(err)
	}
	name := shop(t, s.ClientURL(), "")
	one := serveFile(t, name)
	far := serveFile(t, writeFile(t, "far.yaml", fmt.Sprintf("host: {broker: nats, admin: 'off', nats: {url: %q, cluster: prod.eu, name: far-1}}\ncomponents: [{id: far/echo, source: echo, engine: native}]\n", s.ClientURL())))
	if code, out, errs := runs("call", name, "shop/audit", "--data", "hello"); code != exitDone || out != "hello" {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	var said struct {
		Host    string `json:"host"`
		Leaving bool   `json:"leaving"`
	}
	for !said.Leaving {
		in, err := hosts.NextMsg(10 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(in.Data, &said); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.HasPrefix(said.Host, "shop-1-") {
		t.Errorf("the host of the call is %s", said.Host)
	}
	file, err := config.Load(name, service.Built())
	if err != nil {
		t.Fatal(err)
	}
	p := &program{log: slog.New(slog.DiscardHandler)}
	aside, err := p.start(t.Context(), service.Config{File: file, Aside: true})
	if err != nil {
		t.Fatal(err)
	}
	const n = 30
	for range n {
		if _, err := far.Request(t.Context(), core.MustComponentID("shop/audit"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := one.Snapshot().Arrived; got != n {
		t.Errorf("%d messages have arrived, want %d", got, n)
	}
	if answer, err := aside.Request(t.Context(), core.MustComponentID("far/echo"), []byte("hello")); string(answer) != "hello" || err != nil {
		t.Errorf("got %q, %v", answer, err)
	}
	if err := aside.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	strict := withAuthorization(t, shop(t, "nats://shop:open-sesame@127.0.0.1", ""), 0)
	code, _, errs := runs("call", shop(t, "nats://shop:open-sesame@"+strict.Addr().String(), ""), "shop/audit", "--data", "hello")
	if code != exitFailed || !strings.Contains(errs, "the server does not permit what host shop-1-") {
		t.Errorf("exit code %d, %s", code, errs)
	}
}

// serveFile runs the host of a file until the test ends.
func serveFile(t *testing.T, name string) *service.Service {
	t.Helper()
	file, err := config.Load(name, service.Built())
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	p := &program{log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	s, err := p.start(t.Context(), service.Config{File: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if text, err := os.ReadFile(log.Name()); err != nil || strings.Contains(string(text), "sesame") || strings.Contains(string(text), "NATS refused") || strings.Contains(string(text), "does not permit") {
			t.Errorf("%v: the log tells the password, or the server has refused something:\n%s", err, text)
		}
		_ = log.Close()
	})
	return s
}

// TestStartWaitsForNATS: a host that starts before its server waits for it, and a signal ends
// the wait.
func TestStartWaitsForNATS(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	name := shop(t, fmt.Sprintf("nats://127.0.0.1:%d", port), "")
	file, err := config.Load(name, service.Built())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	p := &program{log: slog.New(onRecord{slog.DiscardHandler, func(text string) {
		if strings.HasPrefix(text, "no connection to NATS yet") {
			cancel(stopSignal{os.Interrupt})
		}
	}})}
	if _, err := p.start(ctx, service.Config{File: file}); !isStop(err) {
		t.Errorf("a start that is interrupted: %v", err)
	}
	p.stderr, p.stdout, p.logFormat, p.logLevel = newLogWriter(io.Discard), io.Discard, formatText, "info"
	if err := p.run(ctx, name, false); err != nil {
		t.Errorf("run ends with %v", err)
	}
	waited := false
	p.log = slog.New(onRecord{slog.DiscardHandler, func(text string) {
		if strings.HasPrefix(text, "no connection to NATS yet") {
			waited = true
			natstest.Serve(t, &server.Options{Port: port})
		}
	}})
	s, err := p.start(t.Context(), service.Config{File: file})
	if err != nil || !waited {
		t.Fatalf("got %v, waited: %v", err, waited)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestStartWithAWrongPassword: it fails at once, and nothing tells the password.
func TestStartWithAWrongPassword(t *testing.T) {
	s := natstest.Serve(t, &server.Options{Users: []*server.User{{Username: "shop", Password: "open-sesame"}}})
	file, err := config.Load(shop(t, "nats://shop:close-sesame@"+s.Addr().String(), ""), service.Built())
	if err != nil {
		t.Fatal(err)
	}
	p := &program{log: slog.New(onRecord{slog.DiscardHandler, func(text string) { t.Errorf("logged %q, want no second try", text) }})}
	_, err = p.start(t.Context(), service.Config{File: file})
	if err == nil || err.Error() != "no connection to nats://"+s.Addr().String()+": nats: Authorization Violation: the server does not take the name and password, or the token, of host.nats.url" {
		t.Errorf("got %v", err)
	}
}

// onRecord is a log that calls a function with the text of each record.
type onRecord struct {
	slog.Handler
	call func(text string)
}

func (o onRecord) Enabled(context.Context, slog.Level) bool      { return true }
func (o onRecord) Handle(_ context.Context, r slog.Record) error { o.call(r.Message); return nil }
func (o onRecord) WithAttrs([]slog.Attr) slog.Handler            { return o }
func (o onRecord) WithGroup(string) slog.Handler                 { return o }

// TestEmbeddedServer: a build without the NATS server refuses a file that wants it, and says how to
// build one with it; the version of the other build has the server's.
func TestEmbeddedServer(t *testing.T) {
	file := shop(t, "nats://127.0.0.1", ", embedded: true, store: store")
	_, version, _ := runs("version")
	code, out, errs := runs("check", file)
	if natsserver.LeftOut == "" {
		if code != exitDone || !strings.Contains(version, "\nnats      v2.") {
			t.Errorf("exit code %d, %s%s%s", code, out, errs, version)
		}
		return
	}
	want := "host.nats.embedded: there is no NATS server in this airhost: build it with go build -tags nats_server ./cmd/airhost"
	if code != exitUsage || !strings.Contains(errs, want) || strings.Contains(version, "nats      ") {
		t.Errorf("exit code %d, want %s, got %s%s%s", code, want, out, errs, version)
	}
}
