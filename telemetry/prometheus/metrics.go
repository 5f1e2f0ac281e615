package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// kind is a kind of metrics.
type kind string

const (
	counter kind = "counter"
	gauge   kind = "gauge"
)

// metric is a metric with the names of its labels, in the order of the alphabet.
type metric struct {
	name   string
	kind   kind
	help   string
	labels []string
	desc   *prometheus.Desc
}

func newMetric(k kind, name, help string, labels ...string) *metric {
	return &metric{name: name, kind: k, help: help, labels: labels, desc: prometheus.NewDesc(name, help, labels, nil)}
}

// pairs returns labels with the values that follow those of shared.
func (m *metric) pairs(shared []*dto.LabelPair, values ...string) []*dto.LabelPair {
	if len(values) == 0 {
		return shared
	}
	pairs := append(make([]*dto.LabelPair, 0, len(m.labels)), shared...)
	for i, value := range values {
		pairs = append(pairs, &dto.LabelPair{Name: &m.labels[len(shared)+i], Value: &value})
	}
	return pairs
}

// number is any number of a status.
type number interface {
	~int | ~int64 | ~uint64
}

// hostMetric is a metric of the host without labels.
type hostMetric struct {
	*metric
	of func(*host.Snapshot) float64
}

func ofHost[N number](k kind, name, help string, of func(*host.Snapshot) N) hostMetric {
	return hostMetric{newMetric(k, "airhost_"+name, help), func(s *host.Snapshot) float64 { return float64(of(s)) }}
}

// clusterMetric is a metric of the host's cluster, without labels.
type clusterMetric struct {
	*metric
	of func(*core.ClusterStatus) float64
}

func ofCluster(k kind, name, help string, of func(*core.ClusterStatus) float64) clusterMetric {
	return clusterMetric{newMetric(k, "airhost_cluster_"+name, help), of}
}

// componentMetric is a metric with the label component.
type componentMetric struct {
	*metric
	of func(*host.ComponentStatus) float64
}

func ofComponent[N number](k kind, name, help string, of func(*host.ComponentStatus) N) componentMetric {
	m := newMetric(k, "airhost_component_"+name, help, "component")
	return componentMetric{m, func(s *host.ComponentStatus) float64 { return float64(of(s)) }}
}

// budgetMetric is a metric with the label namespace, of those budgets for which ok is true.
type budgetMetric struct {
	*metric
	of func(*host.BudgetStatus) (value float64, ok bool)
}

func ofBudget(k kind, name, help string, of func(*host.BudgetStatus) (value float64, ok bool)) budgetMetric {
	return budgetMetric{newMetric(k, "airhost_budget_"+name, help, "namespace"), of}
}

// The metrics with labels of their own, and those that are not of a status.
var (
	buildInfo = newMetric(gauge, "airhost_build_info", "1, with the version of Go and of the program.", "goversion", "version")
	unlisted  = newMetric(gauge, "airhost_components_unlisted", "Components that have no series of their own, since there are too many.")

	refused        = newMetric(counter, "airhost_refused_total", "Messages and requests that were refused, by the contract's error.", "reason")
	failedCalls    = newMetric(counter, "airhost_function_calls_failed_total", "Calls of functions without a result, by the contract's error.", "reason")
	failedHTTP     = newMetric(counter, "airhost_http_requests_failed_total", "Requests of components to the web without a response, by the error-code of wasi:http.", "reason")
	failedKeyValue = newMetric(counter, "airhost_keyvalue_calls_failed_total", "Calls of wasi:keyvalue with an error, by its name.", "reason")
	failedFiles    = newMetric(counter, "airhost_files_calls_failed_total", "Calls of files and directories with an error, by its class.", "reason")

	componentInfo   = newMetric(gauge, "airhost_component_info", "1, with the component's engine, and whether the program needs the component.", "component", "engine", "required")
	componentState  = newMetric(gauge, "airhost_component_state", "1 for the state that the component is in, else 0.", "component", "state")
	componentHealth = newMetric(gauge, "airhost_component_health", "1 for the worst health of the component's instances, else 0.", "component", "health")
)

// The values of labels that every scrape has.
var (
	refusalReasons = namesOf(core.MessagingErrorCases())
	callReasons    = namesOf(core.CallErrorCases())
	states         = []string{"running", "restarting", "failed"}
	healths        = namesOf([]core.HealthStatus{core.HealthHealthy, core.HealthDegraded, core.HealthUnhealthy})
)

func namesOf[V interface{ String() string }](values []V) []string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = v.String()
	}
	return names
}

var hostMetrics = []hostMetric{
	ofHost(counter, "messages_sent_total", "Messages and requests that were tried to be sent, those of publications too, publications that were refused, and timers that fired or were refused.", func(s *host.Snapshot) uint64 { return s.Sent }),
	ofHost(counter, "messages_handled_total", "Messages and requests that a handler returned from, with an error or not.", func(s *host.Snapshot) uint64 { return s.Handled }),
	ofHost(counter, "messages_expired_total", "Requests and fired timers that were dropped unhandled: nobody waited for them any more.", func(s *host.Snapshot) uint64 { return s.Expired }),
	ofHost(counter, "messages_left_total", "Messages that the broker took away for good, to other hosts.", func(s *host.Snapshot) uint64 { return s.Left }),
	ofHost(counter, "messages_arrived_total", "Messages that the broker brought from other hosts.", func(s *host.Snapshot) uint64 { return s.Arrived }),
	ofHost(counter, "dead_letters_total", "Messages that were taken and could not be handled.", func(s *host.Snapshot) uint64 { return s.DeadLetters }),
	ofHost(gauge, "messages_waiting", "Messages and outcomes in mailboxes.", func(s *host.Snapshot) int { return s.Waiting }),
	ofHost(counter, "requests_total", "Requests that were taken.", func(s *host.Snapshot) uint64 { return s.Requests }),
	ofHost(gauge, "requests_pending", "Requests that wait for their outcome.", func(s *host.Snapshot) int { return s.Pending }),
	ofHost(counter, "requests_timed_out_total", "Requests that ended by their timeout.", func(s *host.Snapshot) uint64 { return s.Timeouts }),
	ofHost(counter, "requests_canceled_total", "Requests that were canceled.", func(s *host.Snapshot) uint64 { return s.Canceled }),
	ofHost(counter, "callbacks_total", "Calls of handle-callback.", func(s *host.Snapshot) uint64 { return s.Callbacks }),
	ofHost(counter, "outcomes_late_total", "Outcomes that were dropped because their request had ended before.", func(s *host.Snapshot) uint64 { return s.Late }),
	ofHost(counter, "outcomes_orphaned_total", "Outcomes that were dropped because the component that waited is gone.", func(s *host.Snapshot) uint64 { return s.Orphans }),
	ofHost(counter, "errors_total", "Calls of handlers and callbacks that failed, traps included.", func(s *host.Snapshot) uint64 { return s.Errors }),
	ofHost(counter, "traps_total", "Instances that ended: by a trap, an interruption or a breach of the ABI.", func(s *host.Snapshot) uint64 { return s.Traps }),
	ofHost(counter, "restarts_total", "Instances that took the place of another one.", func(s *host.Snapshot) uint64 { return s.Restarts }),
	ofHost(gauge, "components", "Components that are deployed.", func(s *host.Snapshot) int { return s.Components }),
	ofHost(gauge, "memory_bytes", "Memory of all instances: linear memory, or resident memory of processes.", func(s *host.Snapshot) int64 { return s.Memory }),
	ofHost(gauge, "timers_running", "Timers of components that run.", func(s *host.Snapshot) int { return s.Timers }),
	ofHost(counter, "timers_fired_total", "Timers that fired, each as a message.", func(s *host.Snapshot) uint64 { return s.Fired }),
	ofHost(counter, "function_calls_total", "Functions that components have called, calls in progress included.", func(s *host.Snapshot) uint64 { return s.Calls }),
	ofHost(counter, "http_requests_total", "Requests of components to the web.", func(s *host.Snapshot) uint64 { return s.HTTPRequests }),
	ofHost(counter, "keyvalue_calls_total", "Calls of wasi:keyvalue by components.", func(s *host.Snapshot) uint64 { return s.KeyValue }),
	ofHost(counter, "files_calls_total", "Calls of files and directories by components.", func(s *host.Snapshot) uint64 { return s.Files }),
	ofHost(gauge, "function_calls_waiting", "Calls in progress of functions that components provide.", func(s *host.Snapshot) int { return len(s.Waits) }),
	ofHost(counter, "publications_total", "Publications that were taken, with any number of subscribers.", func(s *host.Snapshot) uint64 { return s.Published }),
	ofHost(counter, "log_lines_total", "Lines that components logged.", func(s *host.Snapshot) uint64 { return s.LogLines }),
	ofHost(counter, "log_lines_dropped_total", "Lines that components logged and that were dropped for being too many.", func(s *host.Snapshot) uint64 { return s.LogDrops }),
	ofHost(counter, "audit_records_dropped_total", "Audit records that were dropped rather than hold up a sender.", func(s *host.Snapshot) uint64 { return s.AuditDropped }),
	ofHost(counter, "workers_replaced_total", "Workers that were replaced because one call held them up.", func(s *host.Snapshot) uint64 { return s.WorkersHeldUp }),
	ofHost(gauge, "workers_held_up", "Workers that were replaced and whose call goes on, if the number of such calls is bounded.", func(s *host.Snapshot) int { return s.HeldUpNow }),
}

var componentMetrics = []componentMetric{
	ofComponent(counter, "sent_total", "Messages and requests that the component tried to send, those of its publications too, and publications and timers that were refused.", func(s *host.ComponentStatus) uint64 { return s.Counters.Sent }),
	ofComponent(counter, "refused_total", "Messages and requests of the component that were refused.", func(s *host.ComponentStatus) uint64 { return s.Counters.Refused }),
	ofComponent(counter, "requests_total", "Requests of the component that were taken.", func(s *host.ComponentStatus) uint64 { return s.Counters.Requests }),
	ofComponent(counter, "requests_canceled_total", "Requests of the component that it canceled.", func(s *host.ComponentStatus) uint64 { return s.Counters.Canceled }),
	ofComponent(counter, "callbacks_total", "Calls of the component's handle-callback.", func(s *host.ComponentStatus) uint64 { return s.Counters.Callbacks }),
	ofComponent(counter, "handled_total", "Messages and requests that the component's handle-message returned from, with an error or not.", func(s *host.ComponentStatus) uint64 { return s.Counters.Handled }),
	ofComponent(counter, "expired_total", "Messages that were dropped from the component's mailbox: nobody waited for them any more.", func(s *host.ComponentStatus) uint64 { return s.Counters.Expired }),
	ofComponent(counter, "errors_total", "Calls of the component's handle-message and handle-callback that failed, traps included.", func(s *host.ComponentStatus) uint64 { return s.Counters.Errors }),
	ofComponent(counter, "traps_total", "The component's instances that ended: by a trap, an interruption or a breach of the ABI.", func(s *host.ComponentStatus) uint64 { return s.Counters.Traps }),
	ofComponent(counter, "restarts_total", "The component's instances that took the place of another one.", func(s *host.ComponentStatus) uint64 { return s.Counters.Restarts }),
	ofComponent(counter, "timers_fired_total", "The component's timers that fired, each as a message to it.", func(s *host.ComponentStatus) uint64 { return s.Fired }),
	ofComponent(counter, "function_calls_total", "Functions that the component has called.", func(s *host.ComponentStatus) uint64 { return s.Calls }),
	ofComponent(counter, "function_calls_failed_total", "Functions that the component has called without a result.", func(s *host.ComponentStatus) uint64 { return s.FailedCalls }),
	ofComponent(counter, "http_requests_total", "Requests of the component to the web.", func(s *host.ComponentStatus) uint64 { return s.HTTPRequests }),
	ofComponent(counter, "http_requests_failed_total", "Requests of the component to the web without a response.", func(s *host.ComponentStatus) uint64 { return s.FailedHTTP }),
	ofComponent(counter, "keyvalue_calls_total", "Calls of wasi:keyvalue by the component.", func(s *host.ComponentStatus) uint64 { return s.KeyValue }),
	ofComponent(counter, "keyvalue_calls_failed_total", "Calls of wasi:keyvalue by the component with an error.", func(s *host.ComponentStatus) uint64 { return s.FailedKeyValue }),
	ofComponent(counter, "files_calls_total", "Calls of files and directories by the component.", func(s *host.ComponentStatus) uint64 { return s.Files }),
	ofComponent(counter, "files_calls_failed_total", "Calls of files and directories by the component with an error.", func(s *host.ComponentStatus) uint64 { return s.FailedFiles }),
	ofComponent(counter, "publications_total", "Publications of the component that were taken, with any number of subscribers.", func(s *host.ComponentStatus) uint64 { return s.Published }),
	ofComponent(counter, "log_lines_total", "Lines that the component logged.", func(s *host.ComponentStatus) uint64 { return s.Counters.LogLines }),
	ofComponent(counter, "log_lines_dropped_total", "Lines that the component logged and that were dropped for being too many.", func(s *host.ComponentStatus) uint64 { return s.Counters.LogDrops }),
	ofComponent(gauge, "messages_waiting", "Messages in the component's mailbox.", func(s *host.ComponentStatus) int { return s.Waiting }),
	ofComponent(gauge, "messages_stored", "Messages in the component's durable mailbox that were not handled, as far as its host knows.", func(s *host.ComponentStatus) int { return s.Stored }),
	ofComponent(gauge, "instances", "The component's instances that run.", func(s *host.ComponentStatus) int { return s.Instances }),
	ofComponent(gauge, "timers_running", "The component's timers that run.", func(s *host.ComponentStatus) int { return s.Timers }),
	ofComponent(gauge, "memory_bytes", "Memory of the component's instances: linear memory, or resident memory of processes; 0 on native.", func(s *host.ComponentStatus) int64 { return s.Memory }),
}

var budgetMetrics = []budgetMetric{
	ofBudget(gauge, "memory_limit_bytes", "Memory that the instances of the namespace may have together, if it is bounded.", func(s *host.BudgetStatus) (float64, bool) { return float64(s.Memory), s.Memory > 0 }),
	ofBudget(gauge, "memory_taken_bytes", "Memory that the instances of the namespace may have by their limits.memory, if it is bounded.", func(s *host.BudgetStatus) (float64, bool) { return float64(s.MemoryTaken), s.Memory > 0 }),
	ofBudget(gauge, "messages_rate_limit", "Messages that the namespace may send in each second, if that is bounded.", func(s *host.BudgetStatus) (float64, bool) {
		return float64(s.MessagesPerSecond), s.MessagesPerSecond > 0
	}),
	ofBudget(counter, "messages_refused_total", "Messages that were refused because the namespace had sent too many.", func(s *host.BudgetStatus) (float64, bool) { return float64(s.Refused), s.MessagesPerSecond > 0 }),
	ofBudget(gauge, "processors_limit", "Processors that the namespace may use in the long run, if its running time is bounded.", func(s *host.BudgetStatus) (float64, bool) { return s.RunningTime.Seconds(), s.RunningTime > 0 }),
	ofBudget(counter, "running_seconds_total", "Running time that the namespace has used, if it is bounded.", func(s *host.BudgetStatus) (float64, bool) { return s.Ran.Seconds(), s.RunningTime > 0 }),
	ofBudget(gauge, "paused", "1 while the namespace waits for running time, else 0, if it is bounded.", func(s *host.BudgetStatus) (float64, bool) { return oneIf(s.Paused), s.RunningTime > 0 }),
	ofBudget(counter, "pauses_total", "How often the namespace has waited for running time, if it is bounded.", func(s *host.BudgetStatus) (float64, bool) { return float64(s.Pauses), s.RunningTime > 0 }),
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// clusterMetrics are there only if the host is in a cluster.
var clusterMetrics = []clusterMetric{
	ofCluster(gauge, "connected", "1 while the host has its connection to the cluster, else 0.", func(c *core.ClusterStatus) float64 { return oneIf(c.Connected) }),
	ofCluster(gauge, "hosts", "Hosts of the cluster that the host knows, itself included.", func(c *core.ClusterStatus) float64 { return float64(len(c.Hosts)) }),
	ofCluster(counter, "reconnects_total", "How often the connection was lost and made again.", func(c *core.ClusterStatus) float64 { return float64(c.Reconnects) }),
	ofCluster(counter, "windows_full_total", "Messages that were refused with queue-full since another host grants no more at a time.", func(c *core.ClusterStatus) float64 { return float64(c.Full) }),
	ofCluster(counter, "outcomes_lost_total", "Outcomes that could not be sent to the host that waits: the request there times out.", func(c *core.ClusterStatus) float64 { return float64(c.Lost) }),
	ofCluster(counter, "arrivals_discarded_total", "Arrivals over the connection that were not understood.", func(c *core.ClusterStatus) float64 { return float64(c.Discarded) }),
	ofCluster(counter, "publications_lost_total", "Publications that no other host got: there was no connection, or the server forbids their topic.", func(c *core.ClusterStatus) float64 { return float64(c.Unpublished) }),
	ofCluster(counter, "publications_missed_total", "Publications of other hosts that were dropped: they came faster than the host takes them.", func(c *core.ClusterStatus) float64 { return float64(c.Missed) }),
	ofCluster(counter, "messages_redelivered_total", "Messages of durable mailboxes that came again, since an instance has ended on them.", func(c *core.ClusterStatus) float64 { return float64(c.Redelivered) }),
}

// allMetrics returns all metrics, in the order of docs/metrics.md.
func allMetrics() []*metric {
	all := []*metric{buildInfo}
	for _, m := range hostMetrics {
		all = append(all, m.metric)
	}
	all = append(all, refused, failedCalls, failedKeyValue, failedHTTP, failedFiles, unlisted)
	for _, m := range componentMetrics {
		all = append(all, m.metric)
	}
	all = append(all, componentInfo, componentState, componentHealth)
	for _, m := range budgetMetrics {
		all = append(all, m.metric)
	}
	for _, m := range clusterMetrics {
		all = append(all, m.metric)
	}
	return all
}
