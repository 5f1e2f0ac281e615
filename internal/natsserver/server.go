//go:build nats_server

package natsserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// LeftOut is the reason for the absence of the server; empty if this build has it.
const LeftOut = ""

// Server is a server that runs.
type Server struct {
	server *server.Server
	store  *os.File // is locked
	log    *slog.Logger
	once   sync.Once
}

// readyTime is how long a start may take: a server with a large store reads it first.
const readyTime = time.Minute

// lockName is the file in the store by which a server keeps others out.
const lockName = "airhost.lock"

// Start runs a server until Stop. It listens when Start returns.
func Start(c Config) (*Server, error) {
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	if err := free(c.Address); err != nil {
		return nil, &Error{"address", err}
	}
	store, err := lock(c.Store)
	if err != nil {
		return nil, &Error{"store", err}
	}
	s := &Server{store: store, log: c.Logger.With("from", "nats-server")}
	log := &logger{log: s.log}
	if s.server, err = server.NewServer(options); err == nil {
		s.server.SetLogger(log, false, false)
		s.server.Start()
		err = log.fatal()
		if err == nil && !s.server.ReadyForConnections(readyTime) {
			err = fmt.Errorf("it does not listen after %v", readyTime)
		}
		if err != nil {
			s.server.Shutdown()
			s.server.WaitForShutdown()
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the NATS server has not started: %w", err), store.Close())
	}
	c.Logger.Info("the NATS server listens", "address", s.server.Addr().String(), "store", c.Store, "version", server.VERSION)
	return s, nil
}

// Stop ends the server. Clients that are connected lose their connections.
func (s *Server) Stop() {
	s.once.Do(func() {
		s.server.Shutdown()
		s.server.WaitForShutdown()
		_ = s.store.Close() // which unlocks it
		s.log.Info("the NATS server has stopped")
	})
}

func (c *Config) options() (*server.Options, error) {
	host, text, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, &Error{"address", err}
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, &Error{"address", err}
	}
	o := &server.Options{
		ServerName: "airhost", Host: host, Port: port, NoSigs: true,
		JetStream: true, StoreDir: c.Store, SyncAlways: true,
	}
	switch {
	case c.NKey != "":
		o.Nkeys = []*server.NkeyUser{{Nkey: c.NKey}}
	case c.Password != "":
		o.Username, o.Password = c.Name, c.Password
	default:
		o.Authorization = c.Name
	}
	if c.Certificate != "" {
		if o.TLSConfig, err = c.tls(); err != nil {
			return nil, &Error{"tls", err}
		}
		o.TLS, o.TLSVerify = true, c.CA != ""
	}
	return o, nil
}

// tls returns the settings of TLS. They read the files for each client, so that new ones count.
func (c *Config) tls() (*tls.Config, error) {
	read := func(*tls.ClientHelloInfo) (*tls.Config, error) {
		certificate, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return nil, fmt.Errorf("%s and %s: %w", c.Certificate, c.Key, err)
		}
		t := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
		if c.CA == "" {
			return t, nil
		}
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		t.ClientAuth, t.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !t.ClientCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: there is no certificate in PEM in it", c.CA)
		}
		return t, nil
	}
	first, err := read(nil)
	if err != nil {
		return nil, err
	}
	first.GetConfigForClient = read
	return first, nil
}

// free returns an error if nobody may listen at an address.
func free(address string) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return fmt.Errorf("the NATS server cannot listen: %w; if one runs there already, leave embedded out to join it", err)
	}
	return l.Close()
}

// lock makes the folder of a store, and keeps other servers out of it until the file is closed.
func lock(store string) (*os.File, error) {
	if err := os.MkdirAll(store, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(store, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(file); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is the store of another server that runs: %w", store, err), file.Close())
	}
	return file, nil
}

// logger is the log of a server, in that of the host. Its ordinary work is on the level debug.
type logger struct {
	log   *slog.Logger
	mu    sync.Mutex // guards first
	first error      // the first fatal error
}

func (l *logger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

func (l *logger) write(level slog.Level, format string, args []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, fmt.Sprintf(format, args...))
	}
}

func (l *logger) Noticef(format string, args ...any) { l.write(slog.LevelDebug, format, args) }
func (l *logger) Debugf(format string, args ...any)  { l.write(slog.LevelDebug, format, args) }
func (l *logger) Tracef(format string, args ...any)  { l.write(slog.LevelDebug, format, args) }
func (l *logger) Warnf(format string, args ...any)   { l.write(slog.LevelWarn, format, args) }
func (l *logger) Errorf(format string, args ...any)  { l.write(slog.LevelError, format, args) }

// Fatalf notes an error with which the server cannot go on. A server that starts returns it.
func (l *logger) Fatalf(format string, args ...any) {
	l.write(slog.LevelError, format, args)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = fmt.Errorf(format, args...)
	}
}
