package prometheus

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/golden"
	"github.com/airhost/airhost/internal/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixed is a host that stands still.
type fixed struct {
	snapshot   host.Snapshot
	components []host.ComponentStatus
	budgets    []host.BudgetStatus
	cluster    *core.ClusterStatus
}

func (f *fixed) Snapshot() host.Snapshot            { return f.snapshot }
func (f *fixed) Components() []host.ComponentStatus { return f.components }
func (f *fixed) Budgets() []host.BudgetStatus       { return f.budgets }
func (f *fixed) Cluster() (core.ClusterStatus, bool) {
	if f.cluster == nil {
		return core.ClusterStatus{}, false
	}
	return *f.cluster, true
}

// distinct is a host with numbers that are all different, so that no two can be mixed up.
func distinct() *fixed {
	return &fixed{
		snapshot: host.Snapshot{
			Sent: 1, Refused: map[string]uint64{"queue-full": 2, "quota-exceeded": 3}, Handled: 4, Expired: 5, Fired: 6, Timers: 7,
			DeadLetters: 8, Waiting: 9, Left: 10, Arrived: 11, Requests: 12, Pending: 13, Timeouts: 14, Canceled: 15, Callbacks: 16,
			Late: 17, Orphans: 18, Components: 19, Memory: 20 << 20, Traps: 21, Restarts: 22, Errors: 23, WorkersHeldUp: 24, HeldUpNow: 25,
			AuditDropped: 26, LogLines: 27, LogDrops: 28, Calls: 29, Published: 92, FailedCalls: map[string]uint64{"denied": 30}, Waits: make([]host.Wait, 31),
		},
		components: []host.ComponentStatus{{
			ID: core.MustComponentID("shop/orders"), Engine: "wazero", State: "running", Required: true, Health: core.HealthDegraded,
			Instances: 32, Waiting: 33, Durable: true, Stored: 96, Timers: 34, Fired: 35, Calls: 36, FailedCalls: 37, Published: 91, Memory: 38 << 20,
			Counters: host.ComponentCounters{
				Sent: 39, Refused: 40, Requests: 41, Canceled: 42, Handled: 43, Expired: 44, Errors: 45, Callbacks: 46, Traps: 47, Restarts: 48, LogLines: 49, LogDrops: 50,
			},
		}, {ID: core.MustComponentID("shop/stock"), Engine: "process", State: "failed"}},
		budgets: []host.BudgetStatus{{
			Namespace: "shop", Budget: host.Budget{Memory: 51 << 20, MessagesPerSecond: 52, RunningTime: 1500 * time.Millisecond},
			MemoryTaken: 53 << 20, Refused: 54, Ran: 55 * time.Second, Paused: true, Pauses: 56,
		}, {Namespace: "free"}},
		cluster: &core.ClusterStatus{Name: "prod", Connected: true, Reconnects: 57, Full: 58, Lost: 59, Discarded: 60, Hosts: make([]core.HostInfo, 61), Unpublished: 93, Missed: 94, Redelivered: 95},
	}
}

// text returns a collector's metrics as Prometheus reads them.
func text(t testing.TB, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	return scrape(t, handler(registry))
}

func scrape(t testing.TB, h http.Handler) string {
	t.Helper()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.Code != http.StatusOK {
		t.Fatalf("status %d, %v\n%s", answer.Code, err, body)
	}
	return string(body)
}

func TestText(t *testing.T) {
	got := text(t, newCollector(distinct(), Config{Version: "v1.2.3"}))
	golden.Check(t, "metrics.txt", strings.ReplaceAll(got, runtime.Version(), "GO"))
}

// TestNoCluster: a host that is in no cluster has none of its metrics.
func TestNoCluster(t *testing.T) {
	h := distinct()
	h.cluster.Connected = false
	if got := text(t, newCollector(h, Config{})); !strings.Contains(got, "\nairhost_cluster_connected 0\n") {
		t.Errorf("without a connection got\n%s", got)
	}
	h.cluster = nil
	if got := text(t, newCollector(h, Config{})); strings.Contains(got, "airhost_cluster") {
		t.Errorf("without a cluster got\n%s", got)
	}
}

// TestNames: all names, units, kinds and help texts are as Prometheus wants them.
func TestNames(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(text(t, newCollector(distinct(), Config{})))).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v, %v", problems, err)
	}
	for _, m := range allMetrics() {
		if !slices.IsSorted(m.labels) {
			t.Errorf("%s: labels %q: Prometheus sorts them", m.name, m.labels)
		}
	}
}

// TestModuleVersion: a program that names no version has the module's.
func TestModuleVersion(t *testing.T) {
	if got := text(t, newCollector(distinct(), Config{})); !strings.Contains(got, `version="(devel)"`) && !strings.Contains(got, `version="v`) {
		t.Errorf("no version of the module in\n%s", got)
	}
}

// TestManyComponents: components above the bound have no series, and are counted.
func TestManyComponents(t *testing.T) {
	h := &fixed{components: manyComponents(12)}
	for most, want := range map[int]int{0: 12, 5: 5, 12: 12, 100: 12, -1: 0} {
		got := text(t, newCollector(h, Config{Components: most}))
		if n := strings.Count(got, "airhost_component_info{"); n != want {
			t.Errorf("with a bound of %d: %d components have series, want %d", most, n, want)
		}
		if line := fmt.Sprintf("\nairhost_components_unlisted %d\n", 12-want); !strings.Contains(got, line) {
			t.Errorf("with a bound of %d: %q is missing", most, line)
		}
	}
}

func manyComponents(n int) []host.ComponentStatus {
	all := make([]host.ComponentStatus, n)
	for i := range all {
		all[i] = host.ComponentStatus{
			ID: core.MustComponentID(fmt.Sprintf("many/component-%05d", i)), Engine: "wazero", State: "running", Instances: 1,
			Counters: host.ComponentCounters{Sent: 123_456, Handled: 123_456},
		}
	}
	return all
}

type echo struct{}

func (echo) HandleMessage(_ guest.Host, _ string, message []byte) ([]byte, error) {
	return message, nil
}

func echoDeployment(id core.ComponentID) host.Deployment {
	return host.Deployment{ID: id, Engine: native.Name, Source: native.Source(func() guest.Component { return echo{} })}
}

func startHost(t testing.TB) *host.Host {
	t.Helper()
	return hosttest.Start(t, host.Config{Budgets: map[string]host.Budget{"shop": {MessagesPerSecond: 1000}}})
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestHandler: a handler over a real host has its metrics, and those of Go and of the process.
// The host's totals keep those of a component that was removed.
func TestHandler(t *testing.T) {
	h := startHost(t)
	handler := Handler(h, Config{})
	orders := core.MustComponentID("shop/orders")
	deploy := func() { check(t, h.Deploy(t.Context(), echoDeployment(orders))) }
	deploy()
	for range 3 {
		_, err := h.Request(t.Context(), orders, []byte("hello"))
		check(t, err)
	}
	has := func(want ...string) {
		t.Helper()
		check(t, h.Quiesce(t.Context())) // then the counters are whole
		got := "\n" + scrape(t, handler)
		for _, line := range want {
			if !strings.Contains(got, "\n"+line) {
				t.Errorf("%q is missing in\n%s", line, got)
			}
		}
	}
	has("airhost_messages_handled_total 3\n", `airhost_component_handled_total{component="shop/orders"} 3`+"\n",
		`airhost_component_state{component="shop/orders",state="running"} 1`+"\n", `airhost_budget_messages_rate_limit{namespace="shop"} 1000`+"\n",
		`airhost_refused_total{reason="queue-full"} 0`+"\n", "airhost_components 1\n", "go_goroutines ", "process_start_time_seconds ")
	check(t, h.Undeploy(t.Context(), orders))
	if got := scrape(t, handler); strings.Contains(got, "shop/orders") {
		t.Errorf("a component that was removed still has series:\n%s", got)
	}
	has("airhost_messages_handled_total 3\n", "airhost_components 0\n")
	deploy()
	_, err := h.Request(t.Context(), orders, []byte("hello"))
	check(t, err)
	has("airhost_messages_handled_total 4\n", `airhost_component_handled_total{component="shop/orders"} 1`+"\n")
}

// slow is a host with snapshots that take until release is closed.
type slow struct {
	fixed
	begun   chan struct{}
	release chan struct{}
}

func (s *slow) Snapshot() host.Snapshot {
	s.begun <- struct{}{}
	<-s.release
	return s.snapshot
}

// TestFewScrapesAtOnce: more scrapes than a few at the same time are refused at once.
func TestFewScrapesAtOnce(t *testing.T) {
	s := &slow{begun: make(chan struct{}, mostScrapes), release: make(chan struct{})}
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(s, Config{}))
	h := handler(registry)
	var scrapes sync.WaitGroup
	for range mostScrapes {
		scrapes.Go(func() { scrape(t, h) })
	}
	for range mostScrapes {
		<-s.begun
	}
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusServiceUnavailable {
		t.Errorf("one scrape more: status %d, want 503", answer.Code)
	}
	close(s.release)
	scrapes.Wait()
}

// BenchmarkScrape is a scrape of a host with 1,000 components, with its text.
func BenchmarkScrape(b *testing.B) {
	running := startHost(b)
	for _, c := range manyComponents(1000) {
		check(b, running.Deploy(b.Context(), echoDeployment(c.ID)))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(New(running, Config{}))
	h := handler(registry)
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		size = len(scrape(b, h))
	}
	b.ReportMetric(float64(size), "bytes/scrape")
}
