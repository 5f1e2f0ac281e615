package service

import (
	"errors"
	"fmt"
	"time"

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

// CheckWays returns the mistakes in the gateway and the schedules of a file, which need more than
// a look at the keys.
func CheckWays(file *config.File) error {
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
