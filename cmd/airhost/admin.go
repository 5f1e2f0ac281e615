package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/service"
	"github.com/airhost/airhost/telemetry/prometheus"
)

// adminLog makes the program's log one that the admin API shows.
func (p *program) adminLog() (*admin.Log, error) {
	all, err := newLog(p.stderr, p.logFormat, levelNames[0])
	if err != nil {
		return nil, err
	}
	log := admin.NewLog(all.Handler(), levels[0])
	if err := log.SetLevel(core.ComponentID{}, p.logLevel); err != nil {
		return nil, err
	}
	p.log = slog.New(p.secrets.Handler(log.Handler()))
	return log, nil
}

// openAdmin starts the admin API of a service. A default address that cannot be used is a
// warning; one that the file names is wrong use.
func (p *program) openAdmin(ctx context.Context, s *service.Service, file *config.File, log *admin.Log) (*adminAPI, error) {
	address, err := addressOf(file.Host.Admin, file.Name())
	if err != nil {
		return nil, err
	}
	token := ""
	if file.Host.AdminTokenFile != "" {
		if token, err = admin.ReadToken(file.Host.AdminTokenFile); err != nil {
			return nil, config.Mistakes{file.Mistake("host.admin_token_file", err.Error())}
		}
	}
	if address == config.AdminOff {
		if address = ""; !file.Host.UsesNATS() {
			return new(adminAPI), nil
		}
	}
	path, err := filepath.Abs(file.Name())
	if err != nil {
		return nil, err
	}
	server, err := admin.New(admin.Config{
		Host: s.Host, Manager: s, Draining: s.Draining, Log: log, Metrics: prometheus.Handler(s.Host, prometheus.Config{Version: moduleVersion()}),
		Name: filepath.Base(path), File: path, Version: moduleVersion(), Listen: address, Token: token,
		KeyValue: storeOf(s), Logger: p.log.With("from", "admin"),
	})
	if err == nil {
		err = server.Start(ctx)
	}
	var runs *admin.RunsError
	switch {
	case err == nil && address == "": // it answers to other hosts of the cluster alone
		return &adminAPI{server}, nil
	case err == nil:
		p.log.Info("the admin API listens", "address", server.Addr().String())
		return &adminAPI{server}, nil
	case file.Host.Admin == "" && !errors.As(err, &runs): // a second host would do all that the first one does
		p.log.Warn("the host has no admin API", "reason", err.Error(), "advice", "set host.admin to the path of a socket, or to off")
		return new(adminAPI), nil
	}
	return nil, config.Mistakes{file.Mistake("host.admin", err.Error())}
}

// addressOf returns the address of the admin API of a file's host, which has this one in the file.
func addressOf(given, file string) (string, error) {
	if given != "" {
		return given, nil
	}
	return admin.DefaultSocket(file)
}

// adminAPI is the admin API of a host, if it has one.
type adminAPI struct{ server *admin.Server }

// Stop ends the admin API. Clients get the outcomes of requests in progress.
func (a *adminAPI) Stop(ctx context.Context) error {
	if a.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return a.server.Stop(ctx)
}
