package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/airhost/airhost/internal/service"
)

// start runs the host of a configuration file with all its components. The caller must stop
// it.
func (p *program) start(ctx context.Context, c service.Config) (*service.Service, error) {
	s, err := p.newService(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := p.deploy(ctx, s); err != nil {
		return nil, errors.Join(err, s.Stop(ctx))
	}
	return s, nil
}

// newService starts the host of a file without components. The error is the signal that has ended
// ctx, if one has.
func (p *program) newService(ctx context.Context, c service.Config) (*service.Service, error) {
	p.logMistakes(slog.LevelWarn, c.File.Warnings())
	c.CacheDir, c.Log, c.LogWiring, c.Secrets = p.cacheDir(), p.log, levelTrace, &p.secrets
	c.TrustedKeys = p.trustedKeys()
	if p.live != nil {
		c.Compiling = p.compiling
	}
	s, err := service.New(ctx, c)
	if stop := stopped(ctx, "starting"); err != nil && stop != nil {
		return nil, stop
	}
	return s, err
}

// deploy starts the components of the file. The error is the signal that has ended ctx, if one
// has.
func (p *program) deploy(ctx context.Context, s *service.Service) error {
	err := s.DeployAll(ctx)
	if stop := stopped(ctx, "starting"); stop != nil {
		return stop
	}
	return err
}
