package service

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

// failoverVariable is the number of components of TestFailoverUnderLoad; 100 by default.
const failoverVariable = "AIRHOST_FAILOVER_COMPONENTS"

// TestFailoverUnderLoad: of three hosts that share components, one is cut off while each component gets
// requests all the time. All are answered again. -v prints when.
func TestFailoverUnderLoad(t *testing.T) {
	n, given := 100, os.Getenv(failoverVariable)
	if given != "" {
		var err error
		n, err = strconv.Atoi(given)
		check(t, err)
	} else if testing.Short() {
		n = 20
	}
	to := natsServer(t)
	var hosts []*member
	for _, name := range []string{"a", "b", "c"} {
		hosts = append(hosts, join(t, to, name, counters(n)))
	}
	client := join(t, to, "client", "components: [{id: l/client, source: echo, engine: native}]")
	balanced(t, n, hosts...)
	lost := len(hosts[1].here("c"))

	var asked, failed atomic.Uint64
	answered := make([]atomic.Int64, n) // when each was answered first after the cut
	var cut atomic.Int64
	done := make(chan struct{})
	var work sync.WaitGroup
	for first := range 8 {
		work.Go(func() {
			for i := first; ; i = (i + 8) % (8 * ((n + 7) / 8)) {
				select {
				case <-done:
					return
				default:
				}
				if i >= n {
					continue
				}
				was := cut.Load()
				ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond) // one that was lost holds up no other
				_, err := client.Request(ctx, core.MustComponentID(fmt.Sprintf("c/%d", i)), []byte("x"))
				cancel()
				if asked.Add(1); err != nil {
					failed.Add(1)
				} else if was > 0 {
					answered[i].CompareAndSwap(0, time.Now().UnixNano())
				}
			}
		})
	}
	until(t, "load", func() bool { return asked.Load() > uint64(2*n) })
	before := failed.Load()
	hosts[1].line.cut(true)
	cut.Store(time.Now().UnixNano())
	until(t, "all are answered again", func() bool {
		return !slices.ContainsFunc(pointers(answered), func(a *atomic.Int64) bool { return a.Load() == 0 })
	})
	close(done)
	work.Wait()
	if before > 0 {
		t.Errorf("%d requests have failed while nothing was wrong", before)
	}
	last := int64(0)
	for i := range answered {
		last = max(last, answered[i].Load())
	}
	t.Logf("%d components on 3 hosts, lease 1 s: the %d of the host that was cut off are answered again after %v; of %d requests %d failed",
		n, lost, time.Duration(last-cut.Load()).Round(time.Millisecond), asked.Load(), failed.Load())
}

func pointers(all []atomic.Int64) (p []*atomic.Int64) {
	for i := range all {
		p = append(p, &all[i])
	}
	return p
}
