package nats_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/internal/natstest"
)

// trust is one case of a server and a host that trust each other, or do not.
type trust struct {
	name   string
	server *server.Options
	config nats.Config // without the server
	scheme string      // of the URL with a name and a password, if it is not nats://
	want   string      // in the reason why not; "" if they do
}

// tlsCases are those of certificates.
func tlsCases(t *testing.T) []trust {
	ca, other := natstest.NewCA(t), natstest.NewCA(t)
	certificate, key := ca.Issue(t, "host")
	strange, strangeKey := other.Issue(t, "stranger")
	old, oldKey := ca.IssueUntil(t, "old", time.Now().Add(-time.Minute))
	oneWay := func() *server.Options { return &server.Options{TLSConfig: ca.Server(t, nil)} }
	mutual := func() *server.Options { return &server.Options{TLSConfig: ca.Server(t, ca), TLSVerify: true} }
	expired := &server.Options{TLSConfig: natstest.TLSOf(t, old, oldKey)}
	wrong := filepath.Join(t.TempDir(), "empty.pem")
	check(t, os.WriteFile(wrong, nil, 0o600))
	return []trust{
		{"TLS", oneWay(), nats.Config{CA: ca.File}, "tls://", ""},
		{"TLS without the scheme", oneWay(), nats.Config{CA: ca.File}, "", ""},
		{"another CA", oneWay(), nats.Config{CA: other.File}, "tls://", other.File + " (host.nats.tls.ca) does not vouch for the server's certificate"},
		{"no CA", oneWay(), nats.Config{}, "tls://", "the system's CAs do not vouch for the server's certificate; host.nats.tls.ca names a file with others"},
		{"neither TLS nor CA", oneWay(), nats.Config{}, "", "the system's CAs do not vouch"},
		{"an empty CA", oneWay(), nats.Config{CA: wrong}, "tls://", wrong},
		{"a server without TLS", &server.Options{}, nats.Config{CA: ca.File}, "tls://", "the server has no TLS: host.nats.tls and tls:// are for servers that have it"},
		{"a server that has expired", expired, nats.Config{CA: ca.File}, "tls://", "certificate has expired or is not yet valid"},
		{"both sides", mutual(), nats.Config{CA: ca.File, Certificate: certificate, Key: key}, "tls://", ""},
		{"no certificate", mutual(), nats.Config{CA: ca.File}, "tls://", "the server wants a certificate: set host.nats.tls.certificate and key"},
		{"a strange certificate", mutual(), nats.Config{CA: ca.File, Certificate: strange, Key: strangeKey}, "tls://", "the server does not take " + strange + " (host.nats.tls.certificate)"},
		{"a certificate that has expired", mutual(), nats.Config{CA: ca.File, Certificate: old, Key: oldKey}, "tls://", "the server does not take " + old + " (host.nats.tls.certificate)"},
		{"another's key", mutual(), nats.Config{CA: ca.File, Certificate: certificate, Key: strangeKey}, "tls://", "private key does not match public key"},
	}
}

// userCases are those of users.
func userCases(t *testing.T) []trust {
	key, public := natstest.NKey(t)
	strange, _ := natstest.NKey(t)
	users := func() *server.Options {
		return &server.Options{Nkeys: []*server.NkeyUser{{Nkey: public}}, Users: []*server.User{{Username: "shop", Password: "open-sesame"}}}
	}
	operator, other := natstest.NewOperator(t), natstest.NewOperator(t)
	account := operator.NewAccount(t, "shop")
	good, bad := account.Credentials(t, "host", time.Time{}), other.NewAccount(t, "shop").Credentials(t, "stranger", time.Time{})
	old := account.Credentials(t, "old", time.Now().Add(-time.Hour))
	empty := filepath.Join(t.TempDir(), "empty.creds")
	check(t, os.WriteFile(empty, nil, 0o600))
	return []trust{
		{"nkey", users(), nats.Config{NKey: key}, "", ""},
		{"another nkey", users(), nats.Config{NKey: strange}, "", "the server does not take the nkey of " + strange + " (host.nats.nkey)"},
		{"password", users(), nats.Config{}, "nats://shop:open-sesame@", ""},
		{"another password", users(), nats.Config{}, "nats://shop:close-sesame@", "the server does not take the name and password, or the token, of host.nats.url"},
		{"nothing", users(), nats.Config{}, "", "the server does not take a host without a password"},
		{"credentials", operator.Options(), nats.Config{Credentials: good}, "", ""},
		{"credentials of another operator", operator.Options(), nats.Config{Credentials: bad}, "", "the server does not take the user of " + bad + " (host.nats.credentials)"},
		{"credentials that have expired", operator.Options(), nats.Config{Credentials: old}, "", "the server does not take the user of " + old + " (host.nats.credentials)"},
		{"empty credentials", operator.Options(), nats.Config{Credentials: empty}, "", empty},
	}
}

// opened are the cases of which a broker is opened too, without a check before: that waits.
var opened = []string{"another CA", "no certificate", "another password", "credentials of another operator"}

// TestTrust: servers and hosts that trust each other connect; of others the error says which key of
// host.nats is to blame, and tells no password.
func TestTrust(t *testing.T) {
	for _, c := range append(tlsCases(t), userCases(t)...) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.config.URL = "nats://" + natstest.Serve(t, c.server).Addr().String()
			if c.scheme != "" {
				c.config.URL = strings.Replace(c.config.URL, "nats://", c.scheme, 1)
			}
			log := new(hosttest.Log)
			c.config.Host, c.config.Lease, c.config.Logger = "a", nats.MinLease, slog.New(slog.NewTextHandler(log, nil))
			ctx, cancel := context.WithTimeout(within(t), 10*time.Second)
			defer cancel()
			_, err := nats.Probe(ctx, c.config, nats.Permissions{})
			c.says(t, "a check", err)
			c.says(t, "a start", nats.Await(ctx, c.config))
			if strings.Contains(c.want, "host.nats.") && ctx.Err() != nil {
				t.Error("a start goes on to try what stays wrong")
			}
			if c.want == "" || slices.Contains(opened, c.name) {
				c.says(t, "a broker", c.open(ctx))
			}
			if strings.Contains(log.String(), "sesame") {
				t.Errorf("the log tells the password:\n%s", log)
			}
		})
	}
}

// open opens a broker and closes it.
func (c *trust) open(ctx context.Context) error {
	b, err := nats.New(c.config)
	if err != nil {
		return err
	}
	if c.want != "" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 3*time.Second) // for another try
		defer cancel()
	}
	return errors.Join(b.Open(ctx, home{}), b.Close(ctx))
}

// home is an origin that gets nothing.
type home struct{}

func (home) Respond(*core.Message)            {}
func (home) Undelivered(*core.Message, error) {}

func (c *trust) says(t *testing.T, who string, err error) {
	t.Helper()
	if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "sesame")) {
		t.Errorf("%s: got %v, want %q", who, err, c.want)
	}
}

// TestAccounts: clusters of the same name in two accounts do not see each other.
func TestAccounts(t *testing.T) {
	one, two := server.NewAccount("one"), server.NewAccount("two")
	s := serve(t, func(o *server.Options) {
		o.Accounts = []*server.Account{one, two}
		o.Users = []*server.User{{Username: "one", Password: "x", Account: one}, {Username: "two", Password: "x", Account: two}}
	})
	url := func(user string) string { return "nats://" + user + ":x@" + s.Addr().String() }
	a, b, twin := join(t, url("one"), "a"), join(t, url("one"), "b"), join(t, url("two"), "a")
	b.deploy(t, "a/echo", component(echo), nil)
	a.says(t, "host seen", 1)
	_, err := a.Request(within(t), echoID, nil)
	check(t, err)
	if _, err := twin.Request(within(t), echoID, nil); !errors.Is(err, core.ErrTargetNotFound) {
		t.Errorf("in the other account: %v, want target-not-found", err)
	}
	if c, _ := twin.Cluster(); len(c.Hosts) != 1 {
		t.Errorf("in the other account the hosts are %+v", c.Hosts)
	}
	for _, m := range []*member{a, b, twin} {
		if strings.Contains(m.log.String(), "has this host's name") {
			t.Errorf("the accounts are not apart:\n%s", m.log)
		}
	}
}

// replace writes the content of one file into another.
func replace(t *testing.T, file, by string) {
	t.Helper()
	text, err := os.ReadFile(by)
	check(t, err)
	check(t, os.WriteFile(file, text, 0o600))
}

// TestNewFiles: certificates and credentials that were replaced on disk are those of the next
// connection; until then the log says once which of them is to blame.
func TestNewFiles(t *testing.T) {
	before, after := natstest.NewCA(t), natstest.NewCA(t)
	oldOperator, newOperator := natstest.NewOperator(t), natstest.NewOperator(t)
	certificate, key := before.Issue(t, "host")
	newCertificate, newKey := after.Issue(t, "host")
	config := nats.Config{
		Host: "a", Lease: nats.MinLease, CA: before.File, Certificate: certificate, Key: key,
		Credentials: oldOperator.NewAccount(t, "shop").Credentials(t, "host", time.Time{}),
	}
	options := oldOperator.Options()
	options.TLSConfig, options.TLSVerify = before.Server(t, before), true
	s := natstest.Serve(t, options)
	config.URL = "tls://" + s.Addr().String()
	log := new(hosttest.Log)
	config.Logger = slog.New(slog.NewTextHandler(log, nil))
	b, err := nats.New(config)
	check(t, err)
	check(t, b.Open(within(t), home{}))
	m := &member{broker: b, log: log}
	port := s.Addr().(*net.TCPAddr).Port
	restartWith := func(o *server.Options, ca, clients *natstest.CA) {
		s.Shutdown()
		s.WaitForShutdown()
		o.Port, o.TLSConfig, o.TLSVerify = port, ca.Server(t, clients), true
		s = natstest.Serve(t, o)
	}
	restartWith(oldOperator.Options(), after, before)
	m.says(t, before.File+" (host.nats.tls.ca) does not vouch", 1)
	replace(t, before.File, after.File)
	m.says(t, "connected to NATS again", 1)
	restartWith(oldOperator.Options(), after, after)
	m.says(t, "the server does not take "+certificate+" (host.nats.tls.certificate)", 1)
	replace(t, key, newKey)
	replace(t, certificate, newCertificate)
	m.says(t, "connected to NATS again", 2)
	credentials := newOperator.NewAccount(t, "shop").Credentials(t, "host", time.Time{})
	restartWith(newOperator.Options(), after, after)
	m.says(t, "the server does not take the user of "+config.Credentials+" (host.nats.credentials)", 1)
	replace(t, config.Credentials, credentials)
	m.says(t, "connected to NATS again", 3)
	check(t, b.Close(within(t)))
	for _, once := range []string{"(host.nats.tls.ca)", "(host.nats.tls.certificate)", "(host.nats.credentials)"} {
		if n := strings.Count(log.String(), once); n != 1 {
			t.Errorf("%s is %d times in the log, want once:\n%s", once, n, log)
		}
	}
}

// TestNewNKey: the seed of an nkey is that of the start, also for connections after the file was
// replaced; a host that starts later has the new one.
func TestNewNKey(t *testing.T) {
	key, public := natstest.NKey(t)
	newKey, newPublic := natstest.NKey(t)
	options := func(port int, keys ...string) *server.Options {
		o := &server.Options{Port: port}
		for _, one := range keys {
			o.Nkeys = append(o.Nkeys, &server.NkeyUser{Nkey: one})
		}
		return o
	}
	s := natstest.Serve(t, options(0, public))
	a := joinTo(t, nats.Config{URL: s.ClientURL(), Host: "a", Lease: nats.MinLease, NKey: key})
	port := s.Addr().(*net.TCPAddr).Port
	restartWith := func(keys ...string) {
		s.Shutdown()
		s.WaitForShutdown()
		s = natstest.Serve(t, options(port, keys...))
	}
	replace(t, key, newKey)
	restartWith(public, newPublic)
	a.says(t, "connected to NATS again", 1)
	b := joinTo(t, nats.Config{URL: s.ClientURL(), Host: "b", Lease: nats.MinLease, NKey: key})
	restartWith(newPublic)
	a.says(t, "the server does not take the nkey of "+key+" (host.nats.nkey)", 1)
	b.says(t, "connected to NATS again", 1)
	if n := strings.Count(a.log.String(), "connected to NATS again"); n != 1 {
		t.Errorf("the host that was not started again has connected %d times by a key that the server does not know", n)
	}
	for _, wrong := range []string{"", "x", "SU" + strings.Repeat("A", 56)} {
		check(t, os.WriteFile(newKey, []byte(wrong), 0o600))
		if _, err := nats.New(nats.Config{NKey: newKey}); err == nil || !strings.Contains(err.Error(), "nkey "+newKey+": want the seed of a user's nkey") {
			t.Errorf("%q: got %v", wrong, err)
		}
	}
}
