package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/examples/echo"
	"github.com/airhost/airhost/examples/ingress"
	"github.com/airhost/airhost/examples/relay"
	"github.com/airhost/airhost/plugin"
	"github.com/airhost/airhost/trackers/timermap"
)

// extensionPrograms are the extensions of the scripts; each lies beside the
// configuration, under its name.
var extensionPrograms = map[string]func(){
	"loopback": func() {
		fmt.Fprintln(os.Stderr, "loopback of", os.Getenv("OWNER"), "for", os.Getenv("HOME"), os.Args[1:])
		plugin.ServeBroker(&loopback{topics: make(map[string]bool)})
	},
	"timers": func() {
		tracker, err := timermap.New(timermap.Config{})
		if err != nil {
			panic(err)
		}
		plugin.ServeTracker(tracker)
	},
	"crasher": func() { fmt.Fprintln(os.Stderr, "no licence found"); os.Exit(3) },
	"dawdler": func() { fmt.Fprintln(os.Stderr, "dawdling"); <-time.After(time.Hour) }, // select {} is a deadlock without cgo
	"ingress": func() { plugin.Serve(ingress.New()) },
	"relay":   func() { plugin.Serve(relay.New()) },
	"leaker":  func() { plugin.Serve(leaker{}) },
	"stock": func() {
		fmt.Fprintln(os.Stderr, "stock of", os.Getenv("OWNER"), "for", os.Getenv("TEST_OWNER"), os.Args[1:])
		plugin.Serve(echo.New())
	},
}

// linkExtensions puts the extensions into dir.
func linkExtensions(dir string) error {
	for name := range extensionPrograms {
		path, err := exec.LookPath(name)
		if err != nil {
			return err
		}
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// loopback is a broker that knows one host.
type loopback struct {
	topics  map[string]bool
	arrived func([]byte) error
}

func (l *loopback) Open(_ context.Context, _ string, arrived func([]byte) error) error {
	l.arrived = arrived
	return nil
}

func (l *loopback) Subscribe(topic string) error {
	l.topics[topic] = true
	return nil
}

func (l *loopback) Unsubscribe(topic string) error {
	delete(l.topics, topic)
	return nil
}

func (l *loopback) Publish(_ context.Context, batch []plugin.Message) []error {
	errs := make([]error, len(batch))
	for i, m := range batch {
		if !l.topics[m.Topic] {
			errs[i] = core.ErrTargetNotFound
			continue
		}
		errs[i] = l.arrived(m.Body)
	}
	return errs
}

func (l *loopback) Close(context.Context) error { return nil }
