package main

import (
	"context"
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // for machines without time zones, such as small containers

	gateway "github.com/airhost/airhost/gateway/http"
	"github.com/airhost/airhost/gateway/schedule"
	"github.com/airhost/airhost/internal/config"
)

// routes are the routes of the gateway.
func routes(file *config.File) []gateway.Route {
	var all []gateway.Route
	for _, r := range file.Gateway.HTTP.Routes {
		all = append(all, gateway.Route{
			Path: r.Path, Methods: r.Methods, Target: r.Target, Pattern: gateway.Pattern(r.Pattern),
			Timeout: time.Duration(r.Timeout), Envelope: gateway.Envelope(r.Envelope), Headers: r.Headers,
		})
	}
	return all
}

// entries are the entries of the schedules. The error is a config.Mistakes.
func entries(file *config.File) ([]schedule.Entry, error) {
	all := make([]schedule.Entry, len(file.Schedules))
	var mistakes config.Mistakes
	for i, s := range file.Schedules {
		path := fmt.Sprintf("schedules[%d]", i)
		e := schedule.Entry{
			Every: time.Duration(s.Every), Cron: s.Cron, Jitter: time.Duration(s.Jitter), Timeout: time.Duration(s.Timeout),
			Target: s.Target, Data: []byte(s.Data),
		}
		var err error
		if e.Location, err = time.LoadLocation(s.TimeZone); err != nil {
			mistakes = append(mistakes, file.Mistake(path+".timezone", fmt.Sprintf("%q is no time zone, want a name such as Europe/Berlin", s.TimeZone)))
		} else if err = e.Check(); err != nil {
			mistakes = append(mistakes, file.Mistake(path, err.Error()))
		}
		all[i] = e
	}
	if mistakes != nil {
		return nil, mistakes
	}
	return all, nil
}

// checkWays returns the mistakes in the gateway and the schedules of a file, which need more than
// a look at the keys.
func checkWays(file *config.File) error {
	var mistakes config.Mistakes
	_, err := entries(file)
	errors.As(err, &mistakes)
	var wrong *gateway.RouteError
	if errors.As(gateway.CheckRoutes(routes(file)), &wrong) {
		mistakes = append(mistakes, file.Mistake(fmt.Sprintf("gateway.http.routes[%d]", wrong.Index), wrong.Err.Error()))
	}
	if mistakes == nil {
		return nil
	}
	return mistakes
}

// ways are the ways into a running application.
type ways struct {
	gateway   *gateway.Gateway // nil without one
	schedules *schedule.Schedules
}

// open opens the ways in. The caller must close them also after an error.
func (a *application) open(ctx context.Context) (*ways, error) {
	w := new(ways)
	if h := a.file.Gateway.HTTP; h.Listen != "" {
		var err error
		w.gateway, err = gateway.New(a.Host, gateway.Config{
			Listen: h.Listen, Certificate: h.TLS.Certificate, Key: h.TLS.Key, Routes: routes(a.file),
			MaxBody: int(h.MaxBody), MaxHeader: int(h.MaxHeader), MaxConnections: h.MaxConnections,
			ReadTimeout: time.Duration(h.ReadTimeout), WriteTimeout: time.Duration(h.WriteTimeout), IdleTimeout: time.Duration(h.IdleTimeout),
			Logger: a.log.With("from", "gateway"),
		})
		if err == nil {
			err = w.gateway.Start(ctx)
		}
		if err != nil {
			return w, err
		}
		a.log.Info("the gateway listens", "address", w.gateway.Addr().String(), "routes", len(h.Routes))
	}
	all, err := entries(a.file)
	if err != nil {
		return w, err
	}
	if w.schedules, err = schedule.New(a.Host, a.log.With("from", "schedule"), all...); err == nil {
		w.schedules.Start()
	}
	return w, err
}

// close closes the ways in. Requests in progress are answered until ctx ends.
func (w *ways) close(ctx context.Context) error {
	var errs []error
	if w.gateway != nil {
		errs = append(errs, w.gateway.Stop(ctx))
	}
	if w.schedules != nil {
		errs = append(errs, w.schedules.Stop(ctx))
	}
	return errors.Join(errs...)
}
