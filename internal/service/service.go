// Package service runs the host of a configuration file. It starts the components, changes the
// running host when the file has changed, and ends it. The commands of airhost are its users.
package service

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/natsserver"
	"github.com/airhost/airhost/reach/files"
	"github.com/airhost/airhost/reach/httpout"
	"github.com/airhost/airhost/reach/keyvalue"
)

// Config are the settings of a service.
type Config struct {
	// File is the configuration at the start.
	File *config.File
	// Changes says that the components may change, and so the engines that they need.
	Changes bool
	// Aside says that the host stands aside of one with the same components, for a message of its
	// own: it takes none of other hosts.
	Aside bool
	// CacheDir is the folder for compiled code; "" for none.
	CacheDir string
	// TrustedKeys are those whose precompiled code the host may run.
	TrustedKeys []ed25519.PublicKey
	// Compiling, if not nil, shows a user that a component is being compiled, until done is called.
	Compiling func(id string) (done func())
	// Log gets no secrets of components: see Secrets.
	Log *slog.Logger
	// Secrets gets the secrets of all components. A program takes them out of its own log by it.
	Secrets *core.Redactor
	// LogWiring is the level on which the wiring of the parts is logged.
	LogWiring slog.Level
}

// Service is a running host with the components of a file. Its methods may be called from any
// goroutine.
type Service struct {
	*host.Host
	config Config
	base   *config.File // the components and ways in of config; with absolute paths if others are compared with it
	log    *slog.Logger
	fx     *fx.App
	nats   *natsserver.Server // in this process, or nil
	store  keyvalue.Store     // or nil
	web    *httpout.Client    // or nil

	changing chan struct{}   // holds one token: a single change is made at a time
	over     context.Context // ends when the service stops
	end      context.CancelFunc
	ways     ways // of the holder of changing

	placement placement

	mu    sync.Mutex                 // guards the following
	units map[core.ComponentID]*unit // that run, or could not be deployed
	phase string                     // why the host is not ready; empty while it runs
}

// starting is the phase of a service before its ways in are open.
const starting = "it is starting"

// New starts a host without components. The caller must stop it. The start waits for what the broker
// needs, until ctx ends.
func New(ctx context.Context, c Config) (*Service, error) {
	base := c.File
	if c.Changes {
		var err error
		if base, err = base.Absolute(); err != nil {
			return nil, err
		}
	}
	embedded, err := startEmbedded(c.File, c.Aside, c.Log)
	if err != nil {
		return nil, err
	}
	s := &Service{config: c, base: base, log: c.Log, nats: embedded, changing: make(chan struct{}, 1), units: make(map[core.ComponentID]*unit), phase: starting}
	settings, err := s.ready(ctx)
	if err != nil {
		s.stopEmbedded()
		return nil, err
	}
	s.over, s.end = context.WithCancel(context.Background())
	s.fx = fx.New(
		airhostfx.Host, c.partsOf(&s.placement), fx.Supply(settings, c.Log),
		fx.Populate(&s.Host),
		fx.WithLogger(func() fxevent.Logger {
			events := &fxevent.SlogLogger{Logger: c.Log}
			events.UseLogLevel(c.LogWiring)
			return events
		}),
	)
	s.joinStore()
	ctx, cancel := startContext(ctx, c.File)
	defer cancel()
	if err := s.fx.Start(ctx); err != nil {
		_ = s.closeReach() // nothing was written
		s.stopEmbedded()
		return nil, dig.RootCause(err) // without the path through the constructors
	}
	return s, nil
}

// ready waits for what the host needs, and returns its configuration.
func (s *Service) ready(ctx context.Context) (settings host.Config, err error) {
	file := s.config.File
	if err = awaitNATS(ctx, file, s.log); err == nil {
		s.store, err = openStore(file, s.log)
	}
	settings = hostConfig(file)
	settings.Secrets = s.config.Secrets
	settings.Files = files.New()
	if s.store != nil { // a nil Store would not be a nil interface of the host's
		settings.KeyValue = s.store
	}
	if err == nil {
		s.web, err = newHTTP(file)
	}
	if s.web != nil {
		settings.HTTP = s.web
	}
	return settings, err
}

// defaultDrain is the default of core/host, for the waits of this program itself.
const defaultDrain = 5 * time.Second

// stopGrace is the time that a stop may take beyond the drain limit, for handlers that
// still run and for the guests' shutdowns.
const stopGrace = 15 * time.Second

// StopTime is the most that a stop takes with the default of host.drain_timeout, which the ways
// in and the host get one after the other.
const StopTime = 2*defaultDrain + stopGrace

// DrainLimit is the time that a stop waits for messages under way.
func (s *Service) DrainLimit() time.Duration {
	if limit := time.Duration(s.config.File.Host.DrainTimeout); limit > 0 {
		return limit
	}
	return defaultDrain
}

// Stop closes the ways in, ends the host gracefully, also after the end of ctx, and then logs
// the host's counters.
func (s *Service) Stop(ctx context.Context) error {
	s.setPhase("it is stopping")
	s.end() // a change in progress is cut off
	ctx = context.WithoutCancel(ctx)
	s.changing <- struct{}{} // no change begins any more
	err := s.closeWays(ctx)
	if placing := s.placement.running(); placing != nil {
		placing.Stop()
		defer placing.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, s.DrainLimit()+stopGrace)
	defer cancel()
	err = errors.Join(err, s.fx.Stop(ctx), s.closeReach())
	s.stopEmbedded()
	s.summarize()
	return err
}

// RequiredFailed returns an error that names the required components that have failed.
func (s *Service) RequiredFailed() error {
	var errs []error
	for _, c := range s.Components() {
		if c.Required && c.State == "failed" {
			errs = append(errs, fmt.Errorf("%s, which is required, has failed: %s", c.ID, c.LastError))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) setPhase(phase string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = phase
}

// summarize logs the host's counters.
func (s *Service) summarize() {
	n := s.Snapshot()
	attrs := []any{"sent", n.Sent, "handled", n.Handled, "requests", n.Requests, "callbacks", n.Callbacks}
	for _, c := range []struct {
		name  string
		count uint64
	}{
		{"left", n.Left}, {"arrived", n.Arrived}, {"timers", n.Fired}, {"calls", n.Calls}, {"keyvalue", n.KeyValue}, {"http_requests", n.HTTPRequests}, {"files", n.Files}, {"published", n.Published}, {"timeouts", n.Timeouts}, {"canceled", n.Canceled}, {"expired", n.Expired}, {"late", n.Late}, {"orphans", n.Orphans},
		{"dead_letters", n.DeadLetters}, {"traps", n.Traps}, {"restarts", n.Restarts},
		{"workers_held_up", n.WorkersHeldUp}, {"audit_dropped", n.AuditDropped}, {"log_lines_dropped", n.LogDrops},
	} {
		if c.count > 0 {
			attrs = append(attrs, c.name, c.count)
		}
	}
	attrs = append(attrs, byReason("refused", n.Refused), byReason("failed_calls", n.FailedCalls), byReason("failed_keyvalue", n.FailedKeyValue), byReason("failed_http", n.FailedHTTP), byReason("failed_files", n.FailedFiles))
	s.log.Info("stopped", attrs...)
}

// byReason returns counts as an attribute, which is left out where it is empty.
func byReason(name string, counts map[string]uint64) slog.Attr {
	var all []any
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, slog.Uint64(reason, counts[reason]))
	}
	return slog.Group(name, all...)
}
