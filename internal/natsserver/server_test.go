//go:build nats_server

package natsserver_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/internal/natsserver"
	"github.com/airhost/airhost/internal/natstest"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, c natsserver.Config) (url string, log *hosttest.Log) {
	t.Helper()
	log = new(hosttest.Log)
	c.Logger = slog.New(slog.NewTextHandler(log, nil))
	if c.Store == "" {
		c.Store = filepath.Join(t.TempDir(), "new", "store")
	}
	if c.Address == "" {
		c.Address = freeAddress(t)
	}
	s, err := natsserver.Start(c)
	check(t, err)
	t.Cleanup(s.Stop)
	return "nats://" + c.Address, log
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	check(t, l.Close())
	return l.Addr().String()
}

// TestServer: it has JetStream, keeps its messages, and its log is the host's.
func TestServer(t *testing.T) {
	c := natsserver.Config{Address: freeAddress(t), Store: filepath.Join(t.TempDir(), "store")}
	log := new(hosttest.Log)
	c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for i := range 2 {
		s, err := natsserver.Start(c)
		check(t, err)
		client, err := natsgo.Connect("nats://" + c.Address)
		check(t, err)
		js, err := client.JetStream()
		check(t, err)
		if i == 0 {
			_, err = js.AddStream(&natsgo.StreamConfig{Name: "S", Subjects: []string{"s"}})
			check(t, err)
			_, err = js.Publish("s", []byte("kept"))
			check(t, err)
		} else {
			kept, err := js.GetMsg("S", 1)
			if err != nil || string(kept.Data) != "kept" {
				t.Errorf("got %v, %v", kept, err)
			}
		}
		client.Close()
		s.Stop()
		s.Stop() // once more is nothing
		if _, err := natsgo.Connect("nats://" + c.Address); err == nil {
			t.Error("it goes on")
		}
	}
	for _, line := range []string{`msg="the NATS server listens" address=` + c.Address, `level=DEBUG msg="Server is ready" from=nats-server`, `msg="the NATS server has stopped"`} {
		if strings.Count(log.String(), line) != 2 {
			t.Errorf("the log does not say %s twice:\n%s", line, log)
		}
	}
}

// TestClients: only those that have the password, the token, the key or a certificate may connect.
func TestClients(t *testing.T) {
	user, err := nkeys.CreateUser()
	check(t, err)
	public, err := user.PublicKey()
	check(t, err)
	key := natsgo.Nkey(public, user.Sign)
	ca := natstest.NewCA(t)
	certificate, private := ca.Issue(t, "server")
	mine, my := ca.Issue(t, "host")
	theirs, their := natstest.NewCA(t).Issue(t, "host")
	for name, c := range map[string]struct {
		config natsserver.Config
		good   []natsgo.Option
		bad    []natsgo.Option
	}{
		"password":    {natsserver.Config{Name: "shop", Password: "open"}, []natsgo.Option{natsgo.UserInfo("shop", "open")}, []natsgo.Option{natsgo.UserInfo("shop", "close")}},
		"token":       {natsserver.Config{Name: "open"}, []natsgo.Option{natsgo.Token("open")}, nil},
		"nkey":        {natsserver.Config{NKey: public}, []natsgo.Option{key}, []natsgo.Option{natsgo.UserInfo("a", "b")}},
		"tls":         {natsserver.Config{Certificate: certificate, Key: private}, []natsgo.Option{natsgo.RootCAs(ca.File)}, nil},
		"certificate": {natsserver.Config{Certificate: certificate, Key: private, CA: ca.File}, []natsgo.Option{natsgo.RootCAs(ca.File), natsgo.ClientCert(mine, my)}, []natsgo.Option{natsgo.RootCAs(ca.File), natsgo.ClientCert(theirs, their)}},
	} {
		t.Run(name, func(t *testing.T) {
			url, log := start(t, c.config)
			client, err := natsgo.Connect(url, c.good...)
			check(t, err)
			client.Close()
			if client, err = natsgo.Connect(url, c.bad...); err == nil {
				client.Close()
				t.Error("anybody may connect")
			}
			if strings.Contains(log.String(), "open") || strings.Contains(log.String(), "close") {
				t.Errorf("the log tells a password:\n%s", log)
			}
		})
	}
}

// TestNewCertificate: a client that comes later gets the certificate that is there then.
func TestNewCertificate(t *testing.T) {
	ca, other := natstest.NewCA(t), natstest.NewCA(t)
	certificate, private := ca.Issue(t, "server")
	url, _ := start(t, natsserver.Config{Certificate: certificate, Key: private})
	connects := func(ca *natstest.CA) bool {
		client, err := natsgo.Connect(url, natsgo.RootCAs(ca.File))
		if err == nil {
			client.Close()
		}
		return err == nil
	}
	if !connects(ca) || connects(other) {
		t.Error("the first certificate is not that of the file")
	}
	newCertificate, newKey := other.Issue(t, "server")
	check(t, errors.Join(os.Rename(newKey, private), os.Rename(newCertificate, certificate)))
	if connects(ca) || !connects(other) {
		t.Error("the new certificate does not count")
	}
}

// TestCannotStart: each reason names the key, and leaves nothing behind that runs.
func TestCannotStart(t *testing.T) {
	store := filepath.Join(t.TempDir(), "store")
	url, _ := start(t, natsserver.Config{Store: store})
	taken := strings.TrimPrefix(url, "nats://")
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, []byte("x"), 0o600))
	for _, c := range []struct {
		config    natsserver.Config
		key, says string
	}{
		{natsserver.Config{Address: taken, Store: t.TempDir()}, "address", taken + ": bind: address already in use; if one runs there already, leave embedded out"},
		{natsserver.Config{Address: "10.255.255.1:4222", Store: t.TempDir()}, "address", "cannot assign requested address"},
		{natsserver.Config{Address: "x", Store: t.TempDir()}, "address", "missing port"},
		{natsserver.Config{Address: freeAddress(t), Store: store}, "store", store + " is the store of another server that runs"},
		{natsserver.Config{Address: freeAddress(t), Store: filepath.Join(file, "store")}, "store", "not a directory"},
		{natsserver.Config{Address: freeAddress(t), Store: "/proc/store"}, "store", "no such file or directory"},
		{natsserver.Config{Address: freeAddress(t), Store: t.TempDir(), Certificate: file, Key: file}, "tls", file + ": tls: failed to find any PEM data"},
	} {
		c.config.Logger = slog.New(slog.DiscardHandler)
		s, err := natsserver.Start(c.config)
		var wrong *natsserver.Error
		if !errors.As(err, &wrong) || wrong.Key != c.key || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: got %v, want %s", c.config, err, c.says)
		}
		if err == nil {
			s.Stop()
		}
	}
	// A store that is broken is found by the server itself.
	broken := t.TempDir()
	check(t, os.WriteFile(filepath.Join(broken, "jetstream"), []byte("x"), 0o600))
	c := natsserver.Config{Address: freeAddress(t), Store: broken, Logger: slog.New(slog.DiscardHandler)}
	if _, err := natsserver.Start(c); err == nil || !strings.Contains(err.Error(), "the NATS server has not started: Can't start JetStream: ") {
		t.Errorf("got %v", err)
	}
	check(t, os.Remove(filepath.Join(broken, "jetstream")))
	s, err := natsserver.Start(c) // nothing is left of the first one
	check(t, err)
	s.Stop()
	if fmt.Sprint(natsserver.LeftOut) != "" {
		t.Error("this build has the server")
	}
}
