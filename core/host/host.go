// Package host runs components and carries their messages. A Go program embeds a
// [Host]; the airhost command runs one.
//
// Every message takes the same way: from the guest through its capabilities and quota
// to the broker, into the target's mailbox, and to a worker that runs the target. The
// outcome of a request goes back through the tracker into the sender's mailbox.
// Nothing on this way allocates, and as long as components are idle it stays on one
// goroutine. docs/architecture.md shows it file by file.
package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/core"
)

// Config are the settings of a host. The zero value is ready to use.
type Config struct {
	// Workers is how many components run at the same time; as many as
	// runtime.GOMAXPROCS by default.
	Workers int
	// HeldUpWorkers is how many workers may be blocked at the same time, each by
	// one call that takes long, and be replaced by others; 256 by default, and
	// fewer if the system allows fewer threads: a guest of Wasmtime that sleeps
	// keeps a thread. If all are blocked, messages wait in their mailboxes. At most
	// as many calls run on the goroutines of Go programs that request, and a quarter
	// of that on those that deploy and undeploy. Calls that the engine cannot
	// interrupt, of Go components, do not count.
	HeldUpWorkers int
	// RequestTimeout is the timeout of a guest's request that names none, and of a
	// Go program's request with a context without a deadline; 5 s by default.
	RequestTimeout time.Duration
	// DrainTimeout is how long Stop waits for messages and requests that are
	// still under way; 5 s by default.
	DrainTimeout time.Duration
	// DeadLetters is how many dead letters are kept to be read; 256 by default.
	DeadLetters int
	// Budgets are bounds on all components of a namespace together, by namespace.
	Budgets map[string]Budget
	// Functions are the functions in Go that components may call, by their names, which are
	// like ids: namespace/name. See [Capabilities] and [FunctionOptions].
	Functions map[string]Function
	// FunctionOptions are the settings of functions, by name. Those of functions that
	// components provide name the component.
	FunctionOptions map[string]FunctionOptions
	// KeyValue, if not nil, keeps the buckets of components. It is the caller's, to be closed
	// after Stop.
	KeyValue KeyValueStore
	// Buckets are the buckets that components share, by name, with their quotas. A component's own
	// bucket is not among them. See [Capabilities].
	Buckets map[string]BucketQuota
	// Files, if not nil, opens the directories that components are granted.
	Files FileSystem
	// HTTP, if not nil, sends the requests of components to the web, as far as their [Capabilities]
	// grant it. It is the caller's, to be closed after Stop.
	HTTP HTTPClient
	// Secrets, if not nil, knows the secrets of all components too: a program that logs what
	// the host tells it keeps them out of its own log by [core.Redactor.Handler]. By default the host
	// has one of its own.
	Secrets *core.Redactor
	// Logger takes the host's and the guests' log; slog.Default() if nil. It gets no secrets.
	Logger *slog.Logger
}

// errHostStopping is the outcome of requests that the end of the host cuts off.
var errHostStopping = &core.RequestError{Reason: core.ReasonUnavailable, Text: "host stopping"}

// ErrNotRunning is returned by methods that need a host that has been started and not
// been stopped.
var ErrNotRunning = errors.New("the host is not running")

// ErrUnhandled is wrapped by the error of a Stop that left messages, which the error
// counts: they are dead letters, or wait for components that were left behind.
var ErrUnhandled = errors.New("messages that were not handled")

// Host runs components. Its methods may be called from any goroutine; those
// that may block say so.
type Host struct {
	config     Config
	broker     core.Broker
	tracker    core.Tracker
	reserver   core.Reserver // the tracker, if it is one
	engines    map[string]core.Engine
	budgets    map[string]*budget // by namespace
	log        *slog.Logger
	guestLog   *slog.Logger
	background context.Context

	clock       *core.Clock
	began       time.Time // when the clock showed 0
	beganUnix   int64     // the same, in ns since the Unix epoch
	functions   map[string]*function
	own         map[string]*function   // of the host itself
	buckets     map[string]BucketQuota // that components share
	secrets     *core.Redactor
	bounds      bounds
	watch       watchdog
	workers     workers
	places      places
	threadsLeft func() (n int, known bool) // that the system allows
	audit       audit
	timers      timers
	direct      directory // components that can be called directly
	local       directory // all components that are attached to the broker
	waits       waits
	exchanges   exchanges // requests to the web under way
	events      events
	counts      hostCounts
	epoch       atomic.Uint64 // counts changes of the configuration
	givenUp     atomic.Uint64 // counts requests that ended without their target; for core.Message.Mark
	stopping    atomic.Bool
	draining    chan struct{} // closed when Stop has begun
	stopped     chan struct{} // closed when nobody will answer any more
	forgotten   chan struct{} // closed when the tracker is
	over        chan struct{} // closed when Stop has ended, with stopError
	stopError   error
	hurried     context.Context // ends, by hurry, with the context of Stop
	hurry       func()
	deadLetters deadLetters
	changes     sync.WaitGroup // deployments and undeployments; none begins once the state is stopped

	mu         mutex[ofHost] // guards the following
	state      hostState
	components map[core.ComponentID]*component
	beside     map[*component]struct{} // versions that start or end beside a component
	serial     uint32
	gone       counts // of components that were removed

	topics topics // last: no message needs it
}

type hostState uint8

const (
	stateNew hostState = iota
	stateRunning
	stateStopped
)

func (c *Config) check() error {
	const most = math.MaxInt32
	for _, namespace := range slices.Sorted(maps.Keys(c.Budgets)) {
		b := c.Budgets[namespace]
		if err := b.check(namespace); err != nil {
			return err
		}
	}
	return cmp.Or(
		core.CheckCount("Workers", int64(c.Workers), 1, most),
		core.CheckCount("HeldUpWorkers", int64(c.HeldUpWorkers), 1, most),
		core.CheckCount("DeadLetters", int64(c.DeadLetters), 1, most),
		core.CheckTime("RequestTimeout", c.RequestTimeout, 1, core.MaxTimeout),
		core.CheckTime("DrainTimeout", c.DrainTimeout, 1, math.MaxInt64),
	)
}

// New makes a host over one broker, one tracker and any number of engines with
// different names. Broker and tracker are the host's from then on: it opens and
// closes them. The engines remain the caller's, to be closed after Stop.
func New(config Config, broker core.Broker, tracker core.Tracker, engines ...core.Engine) (*Host, error) {
	if broker == nil {
		return nil, errors.New("host: there is no broker; give it one, such as brokers/inproc")
	}
	if tracker == nil {
		return nil, errors.New("host: there is no tracker; give it one, such as trackers/slab")
	}
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	functions, buckets, err := config.reach()
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	config.Workers = orDefault(config.Workers, runtime.GOMAXPROCS(0))
	config.HeldUpWorkers = orDefault(config.HeldUpWorkers, 256)
	config.RequestTimeout = orDefault(config.RequestTimeout, 5*time.Second)
	config.DrainTimeout = orDefault(config.DrainTimeout, 5*time.Second)
	config.DeadLetters = orDefault(config.DeadLetters, 256)
	h := &Host{
		config: config, broker: broker, tracker: tracker,
		engines: make(map[string]core.Engine), components: make(map[core.ComponentID]*component), beside: make(map[*component]struct{}),
		background: context.Background(), draining: make(chan struct{}), stopped: make(chan struct{}), forgotten: make(chan struct{}), over: make(chan struct{}),
		functions: functions, own: newOwnFunctions(), buckets: buckets, deadLetters: deadLetters{most: config.DeadLetters}, threadsLeft: threadsLeft, topics: topics{carrier: carrierOf(broker)},
	}
	h.hurried, h.hurry = context.WithCancel(h.background)
	h.reserver, _ = tracker.(core.Reserver)
	h.setLog()
	h.clock = core.NewClock(h.tick)
	h.timers.clock, h.waits.host, h.topics.host = h.clock, h, h
	h.began = time.Now().Add(-h.clock.Exact())
	h.beganUnix = h.began.UnixNano()
	h.budgets = newBudgets(h)
	for _, e := range engines {
		if e == nil || h.engines[e.Name()] != nil {
			return nil, fmt.Errorf("host: an engine is nil or there are two of the same name among %d", len(engines))
		}
		h.engines[e.Name()] = e
	}
	return h, nil
}

// setLog makes the host's log, without secrets.
func (h *Host) setLog() {
	h.secrets = orDefault(h.config.Secrets, new(core.Redactor))
	h.bounds = bounds{h.secrets}
	h.log = slog.New(h.secrets.Handler(orDefault(h.config.Logger, slog.Default()).Handler()))
	h.guestLog = h.log.With("from", "guest")
}

// tick is called at each tick of the clock. It reports whether any call is in progress.
func (h *Host) tick(now time.Duration) (busy bool) {
	h.workers.shareLeft()
	calls := h.watch.check(now)
	return h.exchanges.check() || calls
}

// Start opens the broker and starts the workers. It may block until ctx ends. A
// host is started once.
func (h *Host) Start(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state != stateNew {
		return errors.New("host: started before; make a new one")
	}
	h.topics.join()
	h.watchCluster()
	if err := h.broker.Open(ctx, h); err != nil {
		return fmt.Errorf("host: open the broker: %w", boundError(err))
	}
	h.bound(h.mostBlocked())
	h.audit.start(h)
	h.workers.start(h, h.config.Workers)
	h.state = stateRunning
	return nil
}

// Engines returns the names of the host's engines, sorted.
func (h *Host) Engines() []string { return slices.Sorted(maps.Keys(h.engines)) }

// ComponentStatus is the state of a component at one moment.
type ComponentStatus struct {
	ID             core.ComponentID
	Engine         string
	State          string            // "running" if one instance does, "restarting" or "failed"
	Required       bool              // [Deployment.Required]
	Health         core.HealthStatus // the worst one of its instances
	Instances      int               // that run now
	Waiting        int               // messages in its mailbox
	Durable        bool              // it has a durable mailbox
	Stored         int               // messages in its durable mailbox, those in the other one included; see [core.DurableBroker]
	Timers         int               // its timers that run
	Fired          uint64            // its timers that have fired, each as a message to it
	Calls          uint64            // functions that it has called
	FailedCalls    uint64            // of these, without a result
	KeyValue       uint64            // its calls of wasi:keyvalue
	FailedKeyValue uint64            // of these, that ended with an error
	Files          uint64            // its calls of files and directories
	FailedFiles    uint64            // of these, that ended with an error
	HTTPRequests   uint64            // its requests to the web
	FailedHTTP     uint64            // of these, without a response
	Published      uint64            // its publications that were taken
	Memory         int64             // bytes of its instances' memories; see [core.Sizer]; 0 if the engine does not know
	Counters       ComponentCounters
	LastError      string // why an instance ended last, or empty
}

// Components returns the status of all deployed components, sorted by id. The counters of a
// component go on in a replacement, and begin anew if it is removed and deployed again.
func (h *Host) Components() []ComponentStatus {
	all, statuses := h.reports()
	for i, c := range all {
		statuses[i].Memory, statuses[i].Stored = c.memory(), h.stored(c.id)
	}
	return statuses
}

// reports returns all deployed components with their statuses, but for the memory. Counters that
// move from one version to another count once: that takes the same lock.
func (h *Host) reports() ([]*component, []ComponentStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.listLocked()
	statuses := make([]ComponentStatus, len(all))
	for i, c := range all {
		statuses[i] = c.report()
	}
	return all, statuses
}

// memory returns the memory of the instances of all components, in bytes. It takes the locks one
// by one, since a process's memory takes some microseconds.
func (h *Host) memory() (sum int64) {
	h.mu.Lock()
	all := slices.AppendSeq(slices.Collect(maps.Values(h.components)), maps.Keys(h.beside))
	h.mu.Unlock()
	for _, c := range all {
		sum += c.ownMemory()
	}
	return sum
}

// listLocked returns all deployed components, sorted by id.
func (h *Host) listLocked() []*component {
	return slices.SortedFunc(maps.Values(h.components), func(a, b *component) int {
		return cmp.Compare(a.id.String(), b.id.String())
	})
}
