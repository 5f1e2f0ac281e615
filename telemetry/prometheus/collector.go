package prometheus

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// collector is a [prometheus.Collector] of one host.
type collector struct {
	host   source
	config Config
}

func newCollector(h source, config Config) *collector {
	config.Version = cmp.Or(config.Version, moduleVersion())
	config.Components = cmp.Or(config.Components, defaultComponents)
	return &collector{h, config}
}

// moduleVersion returns the version of airhost that Go has recorded in the program.
func moduleVersion() string {
	const module = "github.com/airhost/airhost"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	for _, dep := range append(info.Deps, &info.Main) {
		if dep.Path == module {
			return dep.Version
		}
	}
	return "(unknown)"
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, m := range allMetrics() {
		descriptions <- m.desc
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(to chan<- prometheus.Metric) {
	one := samples{to: to}
	one.send(buildInfo, 1, runtime.Version(), c.config.Version)
	s := c.host.Snapshot()
	one.sendHost(&s)
	for _, b := range c.host.Budgets() {
		one.sendBudget(&b)
	}
	if cluster, ok := c.host.Cluster(); ok {
		for _, m := range clusterMetrics {
			one.send(m.metric, m.of(&cluster))
		}
	}
	components := c.host.Components()
	listed := components[:min(len(components), max(0, c.config.Components))]
	one.send(unlisted, float64(len(components)-len(listed)))
	for i := range listed {
		one.sendComponent(&listed[i])
	}
}

// samples sends the samples of one scrape.
type samples struct {
	to   chan<- prometheus.Metric
	free []sample
}

// sample is a [prometheus.Metric]. Those of a component share their labels: the library would
// make each one's anew.
type sample struct {
	metric *metric
	value  float64
	labels []*dto.LabelPair
}

// Desc implements [prometheus.Metric].
func (s *sample) Desc() *prometheus.Desc { return s.metric.desc }

// Write implements [prometheus.Metric].
func (s *sample) Write(to *dto.Metric) error {
	to.Label = s.labels
	if s.metric.kind == counter {
		to.Counter = &dto.Counter{Value: &s.value}
	} else {
		to.Gauge = &dto.Gauge{Value: &s.value}
	}
	return nil
}

// send sends a sample with the values of all labels of its metric.
func (s *samples) send(m *metric, value float64, values ...string) {
	s.sendWith(m, value, m.pairs(nil, values...))
}

// sendWith sends a sample with labels, which nobody changes.
func (s *samples) sendWith(m *metric, value float64, labels []*dto.LabelPair) {
	if len(s.free) == 0 {
		s.free = make([]sample, 64)
	}
	next := &s.free[0]
	s.free = s.free[1:]
	*next = sample{m, value, labels}
	s.to <- next
}

// sendEach sends a sample for each value of a metric's last label, which is 1 for the one that
// is now, and 0 for others.
func (s *samples) sendEach(m *metric, shared []*dto.LabelPair, now string, values []string) {
	for _, value := range values {
		s.sendWith(m, oneIf(value == now), m.pairs(shared, value))
	}
}

func (s *samples) sendHost(of *host.Snapshot) {
	for _, m := range hostMetrics {
		s.send(m.metric, m.of(of))
	}
	for _, reason := range refusalReasons {
		s.send(refused, float64(of.Refused[reason]), reason)
	}
	for _, reason := range callReasons {
		s.send(failedCalls, float64(of.FailedCalls[reason]), reason)
	}
	for _, c := range core.KeyValueErrorCases() {
		s.send(failedKeyValue, float64(of.FailedKeyValue[c.String()]), c.String())
	}
	for _, c := range core.HTTPErrorCodes() {
		s.send(failedHTTP, float64(of.FailedHTTP[c.String()]), c.String())
	}
	for _, class := range core.FileRefusals() {
		s.send(failedFiles, float64(of.FailedFiles[class.String()]), class.String())
	}
}

func (s *samples) sendBudget(of *host.BudgetStatus) {
	labels := budgetMetrics[0].pairs(nil, of.Namespace)
	for _, m := range budgetMetrics {
		if value, ok := m.of(of); ok {
			s.sendWith(m.metric, value, labels)
		}
	}
}

func (s *samples) sendComponent(of *host.ComponentStatus) {
	labels := componentMetrics[0].pairs(nil, of.ID.String())
	for _, m := range componentMetrics {
		s.sendWith(m.metric, m.of(of), labels)
	}
	s.sendWith(componentInfo, 1, componentInfo.pairs(labels, of.Engine, strconv.FormatBool(of.Required)))
	s.sendEach(componentState, labels, of.State, states)
	s.sendEach(componentHealth, labels, of.Health.String(), healths)
}
