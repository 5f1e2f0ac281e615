package allengines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/airhost/airhost/backends/native"
	"github.com/airhost/airhost/backends/process"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
	"github.com/airhost/airhost/reach/keyvalue"
)

// hoarder is a component that sets as many keys as it can, named by its messages.
type hoarder struct{ bucket guest.Bucket }

func (h *hoarder) HandleMessage(at guest.Host, _ string, message []byte) ([]byte, error) {
	b, err := guest.OpenBucket(at, "default")
	if h.bucket = b; err != nil {
		return nil, err
	}
	taken := 0
	for i := range 20 {
		switch err := b.Set(fmt.Sprintf("%s-%d", message, i), []byte("x")); {
		case err == nil:
			taken++
		case !errors.Is(err, guest.ErrKeyValueOther) || !strings.Contains(err.Error(), "quota.keyvalue_keys, 50"):
			return nil, err
		}
		if _, err := b.Increment("count", 1); err != nil {
			return nil, err
		}
	}
	if err := b.Update("list", func(old []byte, _ bool) ([]byte, error) { return append(old, 'x'), nil }); err != nil {
		return nil, err
	}
	return fmt.Append(nil, taken), nil
}

// safeLog is a log that several goroutines write.
type safeLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *safeLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// TestKeyValueNative: instances of a component in Go that race share one bucket with one quota, and
// each refusal is in the audit log. A store in a file has all of it after a restart of the host.
func TestKeyValueNative(t *testing.T) {
	path := t.TempDir() + "/kv.db"
	log := new(safeLog)
	open := func() (keyvalue.Store, *host.Host) {
		store, err := keyvalue.OpenFile(keyvalue.FileConfig{Path: path})
		check(t, err)
		return store, hosttest.New(t, host.Config{KeyValue: store, Logger: slog.New(slog.NewTextHandler(log, nil))})
	}
	deployment := host.Deployment{
		ID: id("t/hoarder"), Engine: native.Name, Source: native.Source(func() guest.Component { return new(hoarder) }), Instances: 4, Spread: host.SpreadAny,
		Capabilities: host.Capabilities{KeyValue: []string{"default"}}, Quota: host.Quota{Bucket: host.BucketQuota{Keys: 50}},
	}
	store, h := open()
	check(t, h.Deploy(within(t), deployment))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if _, err := h.Request(context.Background(), id("t/hoarder"), fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	check(t, h.Stop(context.Background()))
	check(t, store.Close())
	store, h = open()
	b := store.Bucket("t/hoarder")
	used, err := b.Usage(t.Context())
	if err != nil || used.Keys != 50 {
		t.Errorf("the bucket has %+v, %v", used, err)
	}
	for key, want := range map[string]string{"count": "160", "list": "xxxxxxxx"} {
		if v, err := b.Get(t.Context(), key); string(v.Data) != want || err != nil {
			t.Errorf("%s is %q, %v", key, v.Data, err)
		}
	}
	deployment.Capabilities.KeyValue = nil
	check(t, h.Deploy(within(t), deployment))
	if _, err := h.Request(within(t), id("t/hoarder"), []byte("x")); !errors.As(err, new(*core.RequestError)) || !strings.Contains(err.Error(), "access-denied: default") {
		t.Errorf("without the capability: %v", err)
	}
	check(t, h.Stop(context.Background()))
	check(t, store.Close())
	for _, want := range []string{
		`component=t/hoarder target=default pattern=keyvalue reason="other: quota: the bucket would have more than quota.keyvalue_keys, 50"`,
		`component=t/hoarder target=default pattern=keyvalue reason="access-denied: default"`,
	} {
		if !strings.Contains(log.text.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// TestBucketsOfConfig: a host refuses buckets that cannot be.
func TestBucketsOfConfig(t *testing.T) {
	for _, c := range []struct {
		config host.Config
		want   string
	}{
		{host.Config{Buckets: map[string]host.BucketQuota{"a": {}}}, "no KeyValue to keep it"},
		{host.Config{KeyValue: keyvalue.NewMemory(), Buckets: map[string]host.BucketQuota{"default": {}}}, "each component's own"},
		{host.Config{KeyValue: keyvalue.NewMemory(), Buckets: map[string]host.BucketQuota{"t/a": {}}}, "want a-z"},
		{host.Config{KeyValue: keyvalue.NewMemory(), Buckets: map[string]host.BucketQuota{"a": {Keys: -1}}}, "Buckets[a].keys"},
	} {
		broker, err := newInproc()
		check(t, err)
		tracker, err := newSlab()
		check(t, err)
		if _, err := host.New(c.config, broker, tracker); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	h := hosttest.Start(t, host.Config{})
	d := host.Deployment{ID: id("t/a"), Engine: native.Name, Source: native.Source(func() guest.Component { return new(hoarder) }), Capabilities: host.Capabilities{KeyValue: []string{"t/b"}}}
	if err := h.Deploy(within(t), d); !errors.Is(err, host.ErrInvalidDeployment) {
		t.Errorf("a capability for another one's bucket: %v", err)
	}
}

// TestKeyValueProcess: a process has the same buckets.
func TestKeyValueProcess(t *testing.T) {
	path, err := os.Executable()
	check(t, err)
	engine, err := process.New(process.Config{})
	check(t, err)
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	store := keyvalue.NewMemory()
	h, err := host.New(host.Config{KeyValue: store, Logger: slog.New(slog.DiscardHandler)}, broker, tracker, engine)
	check(t, err)
	check(t, h.Start(t.Context()))
	d := host.Deployment{
		ID: id("t/hoarder"), Engine: process.Name, Source: process.Source(process.Command{Path: path, Env: []string{roleVariable + "=hoarder", "GORACE=atexit_sleep_ms=0"}}),
		Capabilities: host.Capabilities{KeyValue: []string{"default"}}, Quota: host.Quota{Bucket: host.BucketQuota{Keys: 50}}, Limits: core.Limits{HandlerTime: time.Minute},
	}
	check(t, h.Deploy(within(t), d))
	for i, want := range []string{"20", "20", "8"} { // of 50, without count and list
		answer, err := h.Request(within(t), id("t/hoarder"), fmt.Append(nil, i))
		if string(answer) != want || err != nil {
			t.Errorf("request %d: got %q, %v, want %s", i, answer, err, want)
		}
	}
	if v, err := store.Bucket("t/hoarder").Get(t.Context(), "list"); string(v.Data) != "xxx" || err != nil {
		t.Errorf("the list is %q, %v", v.Data, err)
	}
	d.Capabilities.KeyValue = nil
	check(t, h.Update(within(t), d))
	if _, err := h.Request(within(t), id("t/hoarder"), []byte("x")); err == nil || !strings.Contains(err.Error(), "access-denied: default") {
		t.Errorf("without the capability: %v", err)
	}
	check(t, h.Stop(context.Background()))
	check(t, engine.Close(context.Background()))
}

// lister returns all keys of its bucket, after so many pages, and sets some before.
type lister struct{}

func (lister) HandleMessage(at guest.Host, _ string, _ []byte) ([]byte, error) {
	b, err := guest.OpenBucket(at, "default")
	for i := 0; i < 30 && err == nil; i++ {
		err = b.Set(fmt.Sprintf("%030d", i), nil)
	}
	pages, all := 0, 0
	for next, more := "", true; more && err == nil; more = next != "" {
		var keys []string
		keys, next, err = b.Keys(next)
		pages, all = pages+1, all+len(keys)
	}
	return fmt.Append(nil, all, " ", pages), err
}

// TestPagesOfKeys: the keys that come at once are no larger than a message.
func TestPagesOfKeys(t *testing.T) {
	h := hosttest.Start(t, host.Config{KeyValue: keyvalue.NewMemory()})
	check(t, h.Deploy(within(t), host.Deployment{
		ID: id("t/lister"), Engine: native.Name, Source: native.Source(func() guest.Component { return lister{} }),
		Capabilities: host.Capabilities{KeyValue: []string{"default"}}, Limits: core.Limits{MessageSize: 100},
	}))
	answer, err := h.Request(within(t), id("t/lister"), nil)
	if string(answer) != "30 10" || err != nil {
		t.Errorf("got %q, %v, want 30 keys on 10 pages", answer, err)
	}
}
