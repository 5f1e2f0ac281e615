package core_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
)

// announced records the announcements of a quota.
type announced struct {
	mu  sync.Mutex // guards the fields below
	all []string
}

func (a *announced) quota(lines int, bytes int64) *core.LogQuota {
	return core.NewLogQuota(lines, bytes, func(dropped uint64, limit string) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.all = append(a.all, fmt.Sprintf("%d at %s", dropped, limit))
	})
}

func (a *announced) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.all, want) {
		t.Errorf("announced were %q, want %q", a.all, want)
	}
}

func taken(q *core.LogQuota, lines, size int) (n int) {
	for range lines {
		if q.Take(size) {
			n++
		}
	}
	return n
}

func TestLogQuotaAnnouncesDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a announced
		q := a.quota(10, 1<<20)
		if n := taken(q, 15, 1); n != 10 {
			t.Errorf("%d lines were taken at once, want 10", n)
		}
		a.want(t)
		time.Sleep(999 * time.Millisecond)
		a.want(t)
		time.Sleep(time.Millisecond)
		a.want(t, "5 at logs.lines_per_second (10)")
		if n := taken(q, 11, 1); n != 10 {
			t.Errorf("%d lines were taken a second later, want 10", n)
		}
		q.Flush()
		q.Flush()
		a.want(t, "5 at logs.lines_per_second (10)", "1 at logs.lines_per_second (10)")
		time.Sleep(time.Hour)
		a.want(t, "5 at logs.lines_per_second (10)", "1 at logs.lines_per_second (10)")
	})
}

func TestLogQuotaOfBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a announced
		q := a.quota(1000, 16<<10)
		if n := taken(q, 5, 4<<10); n != 4 {
			t.Errorf("%d lines of 4 KiB were taken, want 4", n)
		}
		q.Flush()
		a.want(t, "1 at logs.bytes_per_second (16 KiB)")
		small := a.quota(1000, 1024)
		if !small.Take(core.MaxDetails) || small.Take(1) {
			t.Error("want a line of any size to be taken after a pause, and none after it")
		}
		time.Sleep(8 * time.Second)
		if !small.Take(1 << 30) {
			t.Error("want a line that will be cut to be taken")
		}
		q.Flush()
		small.Flush()
	})
}
