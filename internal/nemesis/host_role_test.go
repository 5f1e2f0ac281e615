package nemesis

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/trackers/slab"
)

// hostSettings are those of the role host.
type hostSettings struct {
	Name    string
	Run     int // 1 for the first process of this name, and one more for each that follows
	URL     string
	Lease   time.Duration
	Journal string
	options
}

// options are those of a cluster.
type options struct {
	Break   string // the fault that the brokers have: see broken
	Durable bool   // with the load of durable mailboxes
}

// command is a line on the standard input of a process. It answers each by one line of JSON. A
// server knows groups and state.
type command struct {
	Do     string // load, calm, stat, collect or probe
	Load   int    // ticks in a second; 0 for none. For calm it is their number
	Target string // that a probe asks
}

// stat is the answer to stat and collect.
type stat struct {
	Settled                        bool // nothing is under way
	Pending                        int
	Restarts, Traps                uint64
	Local                          int64 // messages that the host's own sink has got from its own senders
	Goroutines, Files              int
	Heap                           uint64
	Held                           nats.Held
	Peers                          []string
	Placed                         []string // components of placedNames that the host runs
	Snapshot                       string
	DeadLetters, LostDead, Handled uint64
}

// runningHost is all of a host process.
type runningHost struct {
	*host.Host
	settings hostSettings
	broker   *nats.Broker
	logger   *slog.Logger
	journal  *journal
	local    atomic.Int64
	load     atomic.Int64
	ticks    atomic.Uint64
	mu       sync.Mutex // guards the fields below
	letter   uint64     // number of the last dead letter in the journal
	lost     uint64     // dead letters that were forgotten before they were read
}

// The components of each host.
var senders = []string{"out0", "out1"}

func runHost(s hostSettings) error {
	h := &runningHost{settings: s}
	var err error
	if h.journal, err = openJournal(s.Journal); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	h.logger = logger
	h.broker, err = nats.New(nats.Config{URL: s.URL, Cluster: "nemesis", Host: s.Name, Lease: s.Lease, Logger: logger, Replicas: len(serverNames)})
	tracker, err2 := slab.New(slab.Config{})
	engine, err3 := native.New(native.Config{})
	if err := errors.Join(err, err2, err3); err != nil {
		return err
	}
	var broker core.Broker = h.broker
	if s.Break != "" {
		broker = &broken{Broker: h.broker, how: s.Break}
	}
	if h.Host, err = host.New(host.Config{Logger: logger, DeadLetters: 1 << 17}, broker, tracker, engine); err != nil {
		return err
	}
	if err := h.Start(context.Background()); err != nil {
		return err
	}
	if err := h.deploy(); err != nil {
		return err
	}
	placing, end := context.WithCancel(context.Background())
	defer end()
	if s.placesAny() {
		go h.place(placing)
	}
	fmt.Println(`"ready"`)
	stop := make(chan struct{})
	go h.tick(stop)
	err = h.obey()
	close(stop)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if stopped := h.Stop(ctx); !errors.Is(stopped, host.ErrUnhandled) {
		err = errors.Join(err, stopped)
	}
	return err
}

// load is a further kind of load.
type load struct {
	// components are deployed on each host, by name.
	components map[string]func(h *runningHost) guest.Component
	// change completes the deployment of one of them.
	change func(name string, d *host.Deployment)
	// send is called at each tick of a sender.
	send func(s *sender, h guest.Host, tick int, calm bool)
}

// loads are all further kinds.
func (o options) loads() []load {
	if o.placesAny() {
		return []load{publications, placement}
	}
	return []load{publications, durable}
}

// placesAny reports whether there are components with "place: any". Rounds with durable
// mailboxes have none, since theirs take long enough.
func (o options) placesAny() bool { return !o.Durable }

func (h *runningHost) deploy() error {
	for name, slow := range map[string]bool{"sink": false, "echo": false, "slow": true} {
		if err := h.deployOne(name, func() guest.Component { return &sink{host: h, name: name, slow: slow} }, nil); err != nil {
			return err
		}
	}
	for _, l := range h.settings.loads() {
		for name, make := range l.components {
			if err := h.deployOne(name, func() guest.Component { return make(h) }, l.change); err != nil {
				return err
			}
		}
	}
	for i, name := range senders {
		if err := h.deployOne(name, func() guest.Component { return newSender(h, name, i) }, nil); err != nil {
			return err
		}
	}
	return nil
}

// deployment is that of a component, which may send everything to everyone.
func deployment(id core.ComponentID, make func() guest.Component) (host.Deployment, error) {
	any, err := core.ParseIDPattern("*")
	topics, err2 := core.ParseTopicPattern(">")
	return host.Deployment{
		ID: id, Engine: native.Name, Source: core.Source{Value: make},
		Capabilities: host.Capabilities{Send: []core.IDPattern{any}, Request: []core.IDPattern{any}, Publish: []core.TopicPattern{topics}},
		Quota:        host.Quota{MessagesPerSecond: 1e9, Burst: 1e9, PendingRequests: 1e6},
		Limits:       core.Limits{HandlerTime: time.Minute},
	}, errors.Join(err, err2)
}

func (h *runningHost) deployOne(name string, make func() guest.Component, change func(string, *host.Deployment)) error {
	d, err := deployment(core.MustComponentID(h.settings.Name+"/"+name), make)
	if err != nil {
		return err
	}
	if change != nil {
		change(name, &d)
	}
	over := time.After(patience)
	for {
		err := h.Deploy(context.Background(), d)
		if err == nil || d.Delivery == host.DeliveryMemory {
			return err
		}
		select {
		case <-over:
			return err
		case <-time.After(100 * time.Millisecond): // the servers have no leader yet
		}
	}
}

// tick makes the senders send, and writes dead letters down.
func (h *runningHost) tick(stop <-chan struct{}) {
	for {
		every := time.Second / time.Duration(max(20, h.load.Load()))
		select {
		case <-stop:
			return
		case <-time.After(every):
		}
		h.noteDeadLetters()
		if h.load.Load() == 0 {
			continue
		}
		number := h.ticks.Add(1)
		for _, name := range senders {
			// A full mailbox is no fault: the tick is left out.
			_ = h.Send(core.MustComponentID(h.settings.Name+"/"+name), fmt.Append(nil, number))
		}
	}
}

// calm sends ticks at which nothing may fail.
func (h *runningHost) calm(ticks int) string {
	for i := range ticks {
		for _, name := range senders {
			if err := h.Send(core.MustComponentID(h.settings.Name+"/"+name), fmt.Append(nil, i, calmly)); err != nil {
				return err.Error()
			}
		}
	}
	return ""
}

// noteDeadLetters writes down the dead letters that are new. It returns how many were forgotten
// before they were read.
func (h *runningHost) noteDeadLetters() (lost uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Snapshot().DeadLetters == h.letter {
		return h.lost
	}
	for _, l := range h.DeadLetters() {
		if l.Number <= h.letter {
			continue
		}
		h.lost += l.Number - h.letter - 1
		h.letter = l.Number
		if from, n, ok := parsePayload(l.Payload); ok {
			kind := "dead"
			if strings.HasSuffix(l.Target.String(), "/"+mailName) {
				kind = "unmailed"
			}
			h.journal.write(kind, from, l.Target.String(), n, firstWord(l.Reason))
		}
	}
	return h.lost
}

// obey carries out the commands that come on standard input, until that ends.
func (h *runningHost) obey() error {
	out := json.NewEncoder(os.Stdout)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var c command
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			return fmt.Errorf("command %q: %w", in.Text(), err)
		}
		var answer any
		switch c.Do {
		case "load":
			h.load.Store(int64(c.Load))
			answer = "loaded"
		case "calm":
			answer = h.calm(c.Load)
		case "stat":
			answer = h.stat()
		case "collect":
			runtime.GC()
			runtime.GC()
			answer = h.stat()
		case "probe":
			answer = h.probe(c.Target)
		default:
			return fmt.Errorf("command %q: want load, calm, stat, collect or probe", in.Text())
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return in.Err()
}

// probe asks a component, and returns the error as text; "" for none.
func (h *runningHost) probe(target string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := h.Request(ctx, core.MustComponentID(target), []byte("probe")); err != nil {
		return err.Error()
	}
	return ""
}

func (h *runningHost) stat() stat {
	lost := h.noteDeadLetters()
	s := h.Snapshot()
	ended := s.Handled + s.DeadLetters + s.Left + s.Expired
	for _, n := range s.Refused {
		ended += n
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	files, _ := os.ReadDir("/proc/self/fd") // Linux has it
	answer := stat{
		Settled: s.Sent+s.Arrived == ended && s.Pending == 0 && s.Waiting == 0, Pending: s.Pending, Restarts: s.Restarts, Traps: s.Traps,
		Local: h.local.Load(), Goroutines: runtime.NumGoroutine(), Files: len(files), Heap: memory.HeapAlloc,
		Held: h.broker.Held(), DeadLetters: s.DeadLetters, LostDead: lost, Handled: s.Handled,
		Snapshot: fmt.Sprintf("%+v", s), Placed: h.placed(),
	}
	for _, p := range h.broker.Peers() {
		answer.Peers = append(answer.Peers, p.Host)
	}
	slices.Sort(answer.Peers)
	return answer
}
