// Package prometheus shows a host's counters and gauges to Prometheus. docs/metrics.md has
// all metrics.
//
//	registry.MustRegister(prometheus.New(h, prometheus.Config{}))
//
// registers them beside those of a program. The short way is a handler with them and those of
// Go and of the process:
//
//	mux.Handle("/metrics", prometheus.Handler(h, prometheus.Config{}))
//
// Nothing is counted for it: a scrape reads the counters that the host has anyway. It takes each
// component's lock for less than a microsecond.
package prometheus

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// Config are the settings of a collector. A zero field stands for its default.
type Config struct {
	// Version is the program's version in airhost_build_info; that of the module airhost in
	// the program by default.
	Version string
	// Components is how many components have series of their own, the first ones by their
	// ids; 10,000 by default. airhost_components_unlisted counts the others. They are in the
	// host's sums like all.
	Components int
}

// defaultComponents is the default of Config.Components.
const defaultComponents = 10_000

// source is a host.
type source interface {
	Snapshot() host.Snapshot
	Components() []host.ComponentStatus
	Budgets() []host.BudgetStatus
	Cluster() (core.ClusterStatus, bool)
}

// New returns a collector of a host's metrics, for any registry. It may be used from any
// goroutine, before the host is started and after it was stopped too. Two hosts in one
// registry need [prometheus.WrapRegistererWith] and a label.
func New(h *host.Host, config Config) prometheus.Collector { return newCollector(h, config) }

// mostScrapes is how many scrapes are answered at the same time. More get the status 503.
const mostScrapes = 4

// Handler returns a handler that answers with a host's metrics, and those of Go and of the
// process. It does not look at the request's path and method.
func Handler(h *host.Host, config Config) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(New(h, config), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return handler(registry)
}

func handler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: mostScrapes, EnableOpenMetrics: true})
}
