package host_test

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// loadTime is the duration of the load tests: AIRHOST_LOAD, or 300 ms.
func loadTime(t *testing.T) time.Duration {
	text := os.Getenv("AIRHOST_LOAD")
	if text == "" {
		return 300 * time.Millisecond
	}
	d, err := time.ParseDuration(text)
	check(t, err)
	return d
}

const loadNodes = 8

// node is a component under load. All its instances share it.
type node struct {
	t  *testing.T
	mu sync.Mutex // guards the following

	sent  [loadNodes]uint64             // the last number sent to each
	heard [loadNodes]uint64             // the last number heard from each
	open  map[guest.RequestID]struct{}  // requests that have not ended
	ended map[guest.RequestID]time.Time // canceled requests
}

func (n *node) component() guest.Component {
	return behaviour{message: n.message, callback: n.callback}
}

func (n *node) message(h guest.Host, sender string, message []byte) ([]byte, error) {
	if sender == core.HostID.String() {
		n.act(h)
		return message, nil
	}
	var from int
	if _, err := fmt.Sscanf(sender, "load/%d", &from); err != nil {
		n.t.Error(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	number := binary.LittleEndian.Uint64(message)
	if number <= n.heard[from] {
		n.t.Errorf("order: %s: %d after %d", sender, number, n.heard[from])
	}
	n.heard[from] = number
	if rand.N(500) == 0 {
		panic("on purpose")
	}
	return message, nil
}

// act sends a few messages and requests to random nodes.
func (n *node) act(h guest.Host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for range 1 + rand.N(4) {
		to := rand.N(loadNodes)
		n.sent[to]++
		payload := binary.LittleEndian.AppendUint64(nil, n.sent[to])
		target := fmt.Sprintf("load/%d", to)
		if rand.N(2) == 0 {
			_ = h.Send(target, payload) // a refusal is counted
			continue
		}
		id, err := h.Request(target, payload, time.Duration(1+rand.N(3))*time.Millisecond)
		if err != nil {
			continue
		}
		if rand.N(4) == 0 && h.Cancel(id) == nil {
			n.ended[id] = time.Now()
			continue
		}
		n.open[id] = struct{}{}
	}
}

func (n *node) callback(_ guest.Host, id guest.RequestID, _ []byte, _ error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.open[id]; !ok {
		n.t.Errorf("a callback for request %#x, which is not open (ended before: %v)", id, !n.ended[id].IsZero())
	}
	delete(n.open, id)
	return nil
}

// TestLoad loads all cores with messages and requests, cancellations, timeouts,
// traps and full mailboxes. Every request ends exactly once, messages stay in order,
// and none is lost.
func TestLoad(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{Workers: 4, Logger: slog.New(slog.DiscardHandler)})
		nodes := make([]*node, loadNodes)
		for i := range nodes {
			n := &node{t: t, open: make(map[guest.RequestID]struct{}), ended: make(map[guest.RequestID]time.Time)}
			nodes[i] = n
			d := deployment(fmt.Sprintf("load/%d", i), nil)
			d.Source = core.Source{Value: n.component}
			d.Limits.Mailbox = 64
			d.Limits.HandlerTime = time.Minute // an interruption on a busy machine would take a callback along
			d.Quota = host.Quota{MessagesPerSecond: 1_000_000, Burst: 1000, PendingRequests: 32}
			d.Restart = host.Restart{MaxRestarts: -1, Backoff: 10 * time.Microsecond, MaxBackoff: 100 * time.Microsecond}
			check(t, h.Deploy(within(t), d))
		}
		h.drive(loadTime(t))
		s := h.balance()
		for i, n := range nodes {
			if len(n.open) > 0 {
				t.Errorf("load/%d: %d requests never ended", i, len(n.open))
			}
		}
		equal(t, "pending", s.Pending, 0)
		t.Logf("%+v", s)
	})
}

// drive sends messages and requests for a while, on several goroutines.
func (h *testHost) drive(d time.Duration) {
	end := time.Now().Add(d)
	ctx := within(h.t)
	var drivers sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		drivers.Go(func() {
			for time.Now().Before(end) {
				target := id(fmt.Sprintf("load/%d", rand.N(loadNodes)))
				if rand.N(2) == 0 {
					_ = h.Send(target, []byte("act"))
					continue
				}
				response, err := h.Request(ctx, target, []byte("act"))
				if err == nil && string(response) != "act" {
					h.t.Errorf("response: %q", response)
				}
			}
		})
	}
	drivers.Wait()
}

// TestSoak sends a million messages, and checks that the heap does not grow.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("a million messages")
	}
	h := start(t, host.Config{})
	rounds := func(n int) {
		left := n
		done := make(chan struct{})
		h.deploy("soak/b", echo)
		h.deploy("soak/a", behaviour{
			message: func(g guest.Host, _ string, _ []byte) ([]byte, error) {
				_, err := g.Request("soak/b", make([]byte, 64), 0)
				return nil, err
			},
			callback: func(g guest.Host, _ guest.RequestID, response []byte, _ error) error {
				if left--; left == 0 {
					close(done)
					return nil
				}
				_, err := g.Request("soak/b", response, 0)
				return err
			},
		})
		check(t, h.Send(id("soak/a"), nil))
		receive(t, "the end", done)
		h.quiesce()
		check(t, h.Undeploy(within(t), id("soak/a")))
		check(t, h.Undeploy(within(t), id("soak/b")))
	}
	rounds(10_000)
	before := heap()
	rounds(500_000)
	after := heap()
	if after > before+256<<10 {
		t.Errorf("heap: %d bytes before a million messages, %d after", before, after)
	}
}
