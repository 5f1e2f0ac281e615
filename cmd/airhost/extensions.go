package main

import (
	"errors"
	"time"

	"go.uber.org/fx"

	"github.com/airhost/airhost/airhostfx"
	brokerplugin "github.com/airhost/airhost/brokers/plugin"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/spawn"
	trackerplugin "github.com/airhost/airhost/trackers/plugin"
)

// partModules returns the broker and the tracker of a file.
func (p *program) partModules(file *config.File) (fx.Option, error) {
	broker, tracker := pick(brokers, file.Host.Broker.Name), pick(trackers, file.Host.Tracker.Name)
	if e := file.Host.Broker.Plugin; e != nil {
		env, err := processEnv(file, e.Env, e.EnvFrom, "host.broker")
		if err != nil {
			return nil, err
		}
		broker = fx.Options(airhostfx.Broker(brokerplugin.New), fx.Supply(brokerplugin.Config{
			Path: e.Plugin, Args: e.Args, Env: env, SHA256: e.SHA256, StartTimeout: time.Duration(e.StartTimeout),
			LogLines: e.Logs.LinesPerSecond, LogBytes: int64(e.Logs.BytesPerSecond),
			Restart: restart(e.Restart), Logger: p.log,
		}))
	}
	if e := file.Host.Tracker.Plugin; e != nil {
		env, err := processEnv(file, e.Env, e.EnvFrom, "host.tracker")
		if err != nil {
			return nil, err
		}
		tracker = fx.Options(airhostfx.Tracker(trackerplugin.New), fx.Supply(trackerplugin.Config{
			Path: e.Plugin, Args: e.Args, Env: env, SHA256: e.SHA256, StartTimeout: time.Duration(e.StartTimeout),
			LogLines: e.Logs.LinesPerSecond, LogBytes: int64(e.Logs.BytesPerSecond),
			Restart: restart(e.Restart), Logger: p.log,
		}))
	}
	return fx.Options(broker, tracker), nil
}

// executables returns what is wrong with the extensions' files.
func executables(file *config.File) error {
	var mistakes config.Mistakes
	for _, part := range []struct {
		path string
		config.Part
	}{{"host.broker", file.Host.Broker}, {"host.tracker", file.Host.Tracker}} {
		if part.Plugin == nil {
			continue
		}
		if err := spawn.Check(part.Plugin.Plugin, part.Plugin.SHA256); err != nil {
			key := ".plugin"
			if errors.Is(err, spawn.ErrChecksum) {
				key = ".sha256"
			}
			mistakes = append(mistakes, file.Mistake(part.path+key, err.Error()))
		}
	}
	if mistakes == nil {
		return nil
	}
	return mistakes
}
