package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"
	_ "time/tzdata" // for machines without time zones, such as small containers

	"github.com/airhost/airhost/admin"
	gateway "github.com/airhost/airhost/gateway/http"
	"github.com/airhost/airhost/gateway/schedule"
	"github.com/airhost/airhost/internal/config"
)

// ways are the ways into a host from outside.
type ways struct {
	http      config.HTTP        // of the gateway
	file      *config.File       // that http is from
	secret    [sha256.Size]byte  // of its certificate and key
	listener  *socket            // its address, which stays bound when its settings change
	gateway   *gateway.Gateway   // nil without one
	retired   []*gateway.Gateway // had the address before; their connections end
	schedules []*scheduled
}

// scheduled is an entry of the schedules that runs.
type scheduled struct {
	entry config.Schedule
	*schedule.Schedules
}

// The ids of changes of the ways in.
const (
	gatewayID   = "gateway"
	schedulesID = "schedules"
)

// wayChange is a difference between the ways in that are open and those of a file.
type wayChange struct {
	id, action  string
	differences []admin.Difference
	err         error
}

// compare returns the differences between w and a file.
func (w *ways) compare(file *config.File) (all []*wayChange) {
	now, next := w.http, file.Gateway.HTTP
	if !reflect.DeepEqual(now, next) || w.secret != secretOf(next.TLS) {
		c := &wayChange{id: gatewayID, action: actionOf(now.Listen != "", next.Listen != "")}
		if c.action == update {
			c.differences = differences(config.GatewayDifferences(w.file, file))
		}
		if w.secret != secretOf(next.TLS) && c.action == update {
			c.differences = append(c.differences, admin.Difference{Path: "content of tls", Old: "…", New: "…"})
		}
		all = append(all, c)
	}
	if before := w.entries(); len(before)+len(file.Schedules) > 0 && !reflect.DeepEqual(before, file.Schedules) {
		c := &wayChange{id: schedulesID, action: actionOf(len(before) > 0, len(file.Schedules) > 0)}
		if c.action == update {
			c.differences = differences(config.ScheduleDifferences(&config.File{Schedules: before}, file))
		}
		all = append(all, c)
	}
	return all
}

func actionOf(before, after bool) string {
	switch {
	case !before:
		return add
	case !after:
		return remove
	}
	return update
}

// secretOf is a digest of a certificate with its key; zero without one, or if they cannot be
// read.
func secretOf(t config.TLS) (sum [sha256.Size]byte) {
	if t.Certificate == "" {
		return sum
	}
	certificate, err := os.ReadFile(t.Certificate)
	key, err2 := os.ReadFile(t.Key)
	if errors.Join(err, err2) != nil {
		return sum
	}
	return sha256.Sum256(append(certificate, key...))
}

func (w *ways) entries() (all []config.Schedule) {
	for _, s := range w.schedules {
		all = append(all, s.entry)
	}
	return all
}

// Open opens the ways in from outside that the file has. From then on the host is ready.
func (s *Service) Open(ctx context.Context) error {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	p := &plan{file: s.base, ways: s.ways.compare(s.base)}
	s.changeWays(ctx, p)
	var errs []error
	for _, c := range p.ways {
		errs = append(errs, c.err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.setPhase("")
	return nil
}

// changeWays makes the ways in those of a plan's file. The caller holds the token of changing.
func (s *Service) changeWays(ctx context.Context, p *plan) {
	for _, c := range p.ways {
		if c.id == gatewayID {
			c.err = s.changeGateway(ctx, p.file)
		} else {
			c.err = s.changeSchedules(ctx, p.file)
		}
	}
}

// changeGateway makes the gateway that of a file. Routes and the certificate are changed in
// place. For all else another gateway takes over the address, or another address, before
// the old one ends, so that no connection is refused.
func (s *Service) changeGateway(ctx context.Context, file *config.File) error {
	w, next := &s.ways, file.Gateway.HTTP
	same := w.http
	same.Routes = next.Routes
	switch {
	case w.gateway != nil && reflect.DeepEqual(same, next):
		return w.changeRoutes(file)
	case next.Listen != "":
		return s.changeServer(ctx, file)
	}
	old := w.gateway
	_ = w.listener.Close() // its gateway, which ends now, has taken all connections
	w.http, w.gateway, w.listener, w.secret = next, nil, nil, [sha256.Size]byte{}
	return s.endGateways(ctx, old)
}

// changeRoutes gives the gateway the routes of a file, and the certificate if that has changed.
func (w *ways) changeRoutes(file *config.File) error {
	next := file.Gateway.HTTP
	if secret := secretOf(next.TLS); secret != w.secret {
		if err := w.gateway.ReloadCertificate(); err != nil {
			return err
		}
		w.secret = secret
	}
	if err := w.gateway.SetRoutes(routes(file)); err != nil {
		return err
	}
	w.http, w.file = next, file
	return nil
}

// changeServer opens the gateway of a file, and retires the one before.
func (s *Service) changeServer(ctx context.Context, file *config.File) error {
	w, next := &s.ways, file.Gateway.HTTP
	old, oldListener := w.gateway, w.listener
	listener := oldListener
	if listener == nil || next.Listen != w.http.Listen {
		var err error
		if listener, err = listen(ctx, next.Listen); err != nil {
			return err
		}
	}
	opened, err := s.openGateway(ctx, file, listener)
	if err != nil {
		if listener != oldListener {
			_ = listener.Close() // nobody has used it
		}
		return err
	}
	w.http, w.file, w.gateway, w.listener, w.secret = next, file, opened, listener, secretOf(next.TLS)
	s.log.Info("the gateway listens", "address", listener.Addr().String(), "routes", len(next.Routes))
	if oldListener != nil && oldListener != listener {
		_ = oldListener.Close() // the old gateway has taken all connections
	}
	if old != nil {
		old.Retire()
		w.retired = append(w.retired, old)
	}
	w.retired = slices.DeleteFunc(w.retired, func(g *gateway.Gateway) bool { return g.Connections() == 0 && g.Stop(ctx) == nil })
	return nil
}

// openGateway starts the gateway of a file on a listener, which stays the caller's.
func (s *Service) openGateway(ctx context.Context, file *config.File, on *socket) (*gateway.Gateway, error) {
	h := file.Gateway.HTTP
	g, err := gateway.New(s.Host, gateway.Config{
		Listener: on.share(), Certificate: h.TLS.Certificate, Key: h.TLS.Key, Routes: routes(file),
		MaxBody: int(h.MaxBody), MaxHeader: int(h.MaxHeader), MaxConnections: h.MaxConnections,
		ReadTimeout: time.Duration(h.ReadTimeout), WriteTimeout: time.Duration(h.WriteTimeout), IdleTimeout: time.Duration(h.IdleTimeout),
		Logger: s.log.With("from", "gateway"),
	})
	if err == nil {
		err = g.Start(ctx)
	}
	return g, err
}

// endGateways ends gateways. Requests in progress have the drain limit to end.
func (s *Service) endGateways(ctx context.Context, all ...*gateway.Gateway) error {
	ctx, cancel := context.WithTimeout(ctx, s.DrainLimit())
	defer cancel()
	errs := make([]error, len(all))
	var ended sync.WaitGroup
	for i, g := range all {
		ended.Go(func() { errs[i] = g.Stop(ctx) })
	}
	ended.Wait()
	return errors.Join(errs...)
}

// changeSchedules makes the schedules those of a file. Entries that stay go on as they are.
func (s *Service) changeSchedules(ctx context.Context, file *config.File) error {
	all, err := entries(file)
	if err != nil {
		return err
	}
	old := s.ways.schedules
	s.ways.schedules = nil
	for i, entry := range file.Schedules {
		same := func(s *scheduled) bool { return s != nil && s.entry == entry }
		if at := slices.IndexFunc(old, same); at >= 0 {
			s.ways.schedules, old[at] = append(s.ways.schedules, old[at]), nil
			continue
		}
		one, err := schedule.New(s.Host, s.log.With("from", "schedule"), all[i])
		if err != nil {
			return err
		}
		one.Start()
		s.ways.schedules = append(s.ways.schedules, &scheduled{entry, one})
	}
	return s.endSchedules(ctx, old)
}

// endSchedules ends schedules; some may be nil. Runs in progress have the drain limit to end.
func (s *Service) endSchedules(ctx context.Context, all []*scheduled) error {
	ctx, cancel := context.WithTimeout(ctx, s.DrainLimit())
	defer cancel()
	errs := make([]error, len(all))
	AtOnce(len(all), func(i int) {
		if all[i] != nil {
			errs[i] = all[i].Stop(ctx)
		}
	})
	return errors.Join(errs...)
}

// closeWays closes the ways in. The caller holds the token of changing.
func (s *Service) closeWays(ctx context.Context) error {
	w := &s.ways
	all := w.retired
	if w.gateway != nil {
		_ = w.listener.Close() // its gateway, which ends now, has taken all connections
		all = append(all, w.gateway)
	}
	return errors.Join(s.endGateways(ctx, all...), s.endSchedules(ctx, w.schedules))
}
