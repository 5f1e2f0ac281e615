// Package hosttest starts hosts for the tests of packages in front of them: ways in, the admin
// API, metrics.
package hosttest

import (
	"context"
	"errors"
	"testing"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/trackers/slab"
)

// Start starts a host for components in Go, and stops it after the test. Then no message may be
// left.
func Start(t testing.TB, config host.Config) *host.Host {
	t.Helper()
	h := New(t, config)
	t.Cleanup(func() {
		if err := h.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// New is Start for tests that stop the host themselves.
func New(t testing.TB, config host.Config) *host.Host {
	t.Helper()
	broker, err := inproc.New(inproc.Config{})
	tracker, err2 := slab.New(slab.Config{})
	engine, err3 := native.New(native.Config{})
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	h, err := host.New(config, broker, tracker, engine)
	if err == nil {
		err = h.Start(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}
