package service

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
)

// churnTime is how long TestChurn takes; an hour by `make soak`.
func churnTime(t *testing.T) time.Duration {
	t.Helper()
	if text := os.Getenv("AIRHOST_CHURN"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if testing.Short() {
		return 5 * time.Second
	}
	return 2 * time.Minute
}

// churnFile is a configuration with some of a set of components, limits and routes by chance.
func churnFile(random *rand.Rand) string {
	var text strings.Builder
	fmt.Fprintf(&text, "gateway: {http: {listen: '127.0.0.1:0', max_body: %dKiB, routes: [", 1+random.IntN(2))
	for i := range 4 {
		fmt.Fprintf(&text, "{path: /%d, target: a/c%d}, ", i, i)
	}
	text.WriteString("]}}\ncomponents:\n")
	for i := range 4 {
		if i > 0 && random.IntN(5) == 0 {
			continue // its requests get 404 or 503
		}
		fmt.Fprintf(&text, "- {id: a/c%d, source: %s, limits: {memory: %dKiB}, quota: {burst: %d}}\n",
			i, []string{"echo.wasm", "other.wasm"}[random.IntN(2)], 64*(1+random.IntN(2)), 1+random.IntN(2))
	}
	return text.String()
}

// TestChurn applies, restarts, removes and breaks by chance, while requests come in by HTTP: each
// request gets a status, a response that is 200 is right, and memory and descriptors stay flat.
func TestChurn(t *testing.T) {
	f := newFolder(t)
	f.guest("other.wasm", "noisy.wasm")
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	s := f.serve(churnFile(random))
	address := s.ways.listener.Addr().String()
	ctx, cancel := context.WithTimeout(t.Context(), churnTime(t))
	defer cancel()
	statuses := new(statuses)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			for n := 0; ctx.Err() == nil; n++ {
				statuses.note(t, transport, fmt.Sprintf("http://%s/%d", address, (i+n)%4), fmt.Sprintf("request %d of %d", n, i))
			}
		})
	}
	half := time.After(churnTime(t) / 2)
	var before, changes int
	for ; ctx.Err() == nil; changes++ {
		s.changeByChance(ctx, f, random)
		select {
		case <-half:
			before = descriptors(t)
		default:
		}
	}
	all.Wait()
	if after := descriptors(t); after > before+20 {
		t.Errorf("%d descriptors after half of the time, and %d at the end", before, after)
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	t.Logf("%d changes; %s; %d descriptors, %d MiB on the heap", changes, statuses, before, memory.HeapAlloc>>20)
	if memory.HeapAlloc > 200<<20 || statuses.count[http.StatusOK].Load() == 0 {
		t.Errorf("%d MiB on the heap", memory.HeapAlloc>>20)
	}
}

// changeByChance makes one change of the host.
func (s *Service) changeByChance(ctx context.Context, f folder, random *rand.Rand) {
	id := core.MustComponentID(fmt.Sprintf("a/c%d", random.IntN(4)))
	switch random.IntN(8) {
	case 0:
		_ = s.Restart(ctx, id) // it may not be there
	case 1:
		_ = s.Undeploy(ctx, id)
	case 2:
		f.guest("other.wasm", []string{"noisy.wasm", "echo.wasm", "truncated.wasm"}[random.IntN(3)])
	default:
		text := churnFile(random)
		if random.IntN(5) == 0 {
			text = text[:random.IntN(len(text))]
		}
		_, _ = s.Apply(ctx, admin.ApplyRequest{File: f.write("airhost.yaml", text)}, func(admin.Progress) {})
	}
}

// statuses count the answers to requests.
type statuses struct{ count [600]atomic.Int64 }

func (c *statuses) note(t *testing.T, transport *http.Transport, url, body string) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPut, url, strings.NewReader(body)) // PUT may be sent again
	if err != nil {
		t.Error(err)
		return
	}
	request.Header.Set("Idempotency-Key", body) // a connection that a gateway closes while it is idle is another try
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Errorf("a request without a status: %v", err)
		return
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode == http.StatusOK && len(text) > 0 && string(text) != body { // noisy.wasm says nothing
		t.Errorf("%q is answered by %q, %v", body, text, err)
	}
	c.count[response.StatusCode].Add(1)
}

func (c *statuses) String() string {
	var all []string
	for status := range c.count {
		if n := c.count[status].Load(); n > 0 {
			all = append(all, fmt.Sprintf("%d: %d", status, n))
		}
	}
	return strings.Join(all, ", ")
}

// descriptors is the number of open files, or 0 where the system does not tell it.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(all)
}
