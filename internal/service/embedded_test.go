//go:build nats_server

package service

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/internal/natstest"
)

// startFile starts the host of a file. The test stops it.
func startFile(t *testing.T, name string, log *hosttest.Log) (*Service, error) {
	t.Helper()
	file, err := config.Load(name, Built())
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), Config{File: file, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err == nil {
		err = s.DeployAll(t.Context())
	}
	return s, err
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

const joined = "host: {broker: nats, nats: {lease: 1s, name: %s, url: %q%s}}\ncomponents: [{id: %s/echo, source: echo, engine: native}]\n"

// TestEmbedded: a host with the server in its process and one that joins it message each other, with each
// way to keep others out. The server ends after the host has taken leave of the other.
func TestEmbedded(t *testing.T) {
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	ca := natstest.NewCA(t)
	certificate, key := ca.Issue(t, "host")
	for name, c := range map[string]struct{ head, both string }{
		"open": {"nats://", ""}, "password": {"nats://shop:open-sesame@", ""}, "token": {"nats://open-sesame@", ""},
		"nkey": {"nats://", ", nkey: host.nk"}, "tls": {"tls://", fmt.Sprintf(", tls: {certificate: %s, key: %s, ca: %s}", certificate, key, ca.File)},
	} {
		t.Run(name, func(t *testing.T) {
			f := folder{t, t.TempDir()}
			f.write("host.nk", string(seed))
			address := freeAddress(t)
			url := c.head + address
			log, log2 := new(hosttest.Log), new(hosttest.Log)
			a, err := startFile(t, f.write("a.yaml", fmt.Sprintf(joined, "a", url, c.both+", embedded: true, store: store", "a")), log)
			if err != nil {
				t.Fatal(err)
			}
			b, err := startFile(t, f.write("b.yaml", fmt.Sprintf(joined, "b", url, c.both, "b")), log2)
			if err != nil {
				t.Fatal(err)
			}
			events, cancel := b.Subscribe(100)
			defer cancel()
			for c, _ := b.Cluster(); len(c.Hosts) < 2; c, _ = b.Cluster() {
				<-time.After(time.Millisecond)
			}
			if answer, err := b.Request(t.Context(), core.MustComponentID("a/echo"), []byte("hello")); string(answer) != "hello" {
				t.Errorf("got %q, %v", answer, err)
			}
			var options []natsgo.Option
			if name == "tls" {
				options = append(options, natsgo.RootCAs(ca.File))
			}
			stranger, err := natsgo.Connect("nats://"+address, options...)
			if err == nil {
				stranger.Close()
			}
			if (err == nil) != (name == "open") {
				t.Errorf("a stranger connects: %v", err)
			}
			lost := false
			if err := a.Stop(t.Context()); err != nil {
				t.Error(err)
			}
			for e := range events {
				if e.Kind == host.EventHostGone && e.Reason.Error() == "it stops" {
					break
				}
				if lost {
					t.Fatal("the server has ended before its host")
				}
				lost = e.Kind == host.EventDisconnected // may be told first
			}
			if err := b.Stop(t.Context()); err != nil {
				t.Error(err)
			}
			text := log.String()
			if !strings.HasSuffix(strings.TrimSpace(text), "msg=stopped sent=0 handled=1 requests=0 callbacks=0 arrived=1") || !strings.Contains(text, "store="+filepath.Join(f.path, "store")) {
				t.Errorf("the log is\n%s", text)
			}
			if strings.Contains(text+log2.String(), "sesame") {
				t.Errorf("a log tells the password:\n%s%s", text, log2)
			}
		})
	}
}

// TestEmbeddedMistakes: a server that cannot start is a mistake at its key, and ends a start at once.
func TestEmbeddedMistakes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f := folder{t, t.TempDir()}
	f.write("file", "x")
	for _, c := range []struct{ address, keys, want string }{
		{l.Addr().String(), ", store: s", "host.nats.url: the NATS server cannot listen: listen tcp " + l.Addr().String()},
		{freeAddress(t), ", store: file", "host.nats.store: mkdir "}, {freeAddress(t), ", store: s, nkey: file", "host.nats.nkey: "},
		{freeAddress(t), ", store: s, tls: {certificate: file, key: file}", "host.nats.tls: "},
	} {
		_, err := startFile(t, f.write("a.yaml", fmt.Sprintf(joined, "a", "nats://"+c.address, ", embedded: true"+c.keys, "a")), new(hosttest.Log))
		if !errors.As(err, new(config.Mistakes)) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.keys, err, c.want)
		}
	}
}

// TestEmbeddedOnline: a check of a host that does not run says so, and one of a host that runs asks its server.
func TestEmbeddedOnline(t *testing.T) {
	f := folder{t, t.TempDir()}
	address := freeAddress(t)
	name := f.write("a.yaml", fmt.Sprintf(joined, "a", "nats://"+address, ", embedded: true, store: s", "a"))
	file, err := config.Load(name, Built())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := Online(t.Context(), file); err != nil || text != "the NATS server is the host's own, which does not run" {
		t.Errorf("got %s, %v", text, err)
	}
	s, err := startFile(t, name, new(hosttest.Log))
	if err != nil {
		t.Fatal(err)
	}
	aside, err := New(t.Context(), Config{File: file, Aside: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := aside.Request(t.Context(), core.MustComponentID("a/echo"), []byte("x")); string(answer) != "x" {
		t.Errorf("a host aside got %q, %v", answer, err)
	}
	if err := aside.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if text, err := Online(t.Context(), file); err != nil || !strings.HasPrefix(text, "nats://"+address+" (airhost, NATS ") {
		t.Errorf("got %s, %v", text, err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if notes := Permissions(file).Notes; len(notes) != 1 || !strings.Contains(notes[0], "the embedded server keeps no host to these permissions") {
		t.Errorf("the notes are %q", notes)
	}
}
