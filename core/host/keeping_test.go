package host_test

import (
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/hosttest"
)

// startKeeping returns a host with a broker that keeps messages.
func startKeeping(t testing.TB, p parts, config host.Config) (*testHost, *hosttest.Keeping) {
	t.Helper()
	inner, err := newInproc()
	check(t, err)
	b := &hosttest.Keeping{Broker: inner}
	p.broker = func() (core.Broker, error) { return b, nil }
	if p.tracker == nil {
		p.tracker = newSlab
	}
	return p.start(t, config), b
}
