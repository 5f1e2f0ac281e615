package allengines

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.etcd.io/bbolt"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/natstest"
	"github.com/airhost/airhost/reach/keyvalue"
	"github.com/airhost/airhost/reach/keyvalue/natskv"
)

// keyValueWasm uses buckets as its messages say: see testdata/keyvalue.c.
//
//go:embed testdata/keyvalue.wasm
var keyValueWasm []byte

// step is a message for keyValueWasm with one operation.
func step(what byte, arguments ...string) string {
	for len(arguments) < 2 {
		arguments = append(arguments, "")
	}
	text := string(what)
	for _, a := range arguments {
		text += string(byte(len(a))) + a
	}
	return text
}

// keyValueHost is a host with a store and one component.
func keyValueHost(t testing.TB, engine string, store host.KeyValueStore, granted ...string) *host.Host {
	t.Helper()
	open := func() (core.Engine, error) { return wazero.New(wazero.Config{}) }
	if engine == wasmtime.Name {
		open = func() (core.Engine, error) { return wasmtime.New(wasmtime.Config{}) }
	}
	broker, err := newInproc()
	check(t, err)
	tracker, err := newSlab()
	check(t, err)
	e, err := open()
	check(t, err)
	h, err := host.New(host.Config{
		Logger: slog.New(slog.DiscardHandler), KeyValue: store, RequestTimeout: time.Hour,
		Buckets: map[string]host.BucketQuota{"shared": {}},
	}, broker, tracker, e)
	check(t, err)
	check(t, h.Start(context.Background()))
	t.Cleanup(func() { check(t, h.Stop(context.Background())); check(t, e.Close(context.Background())) })
	check(t, h.Deploy(t.Context(), keyValueDeployment(engine, granted...)))
	return h
}

func keyValueDeployment(engine string, granted ...string) host.Deployment {
	return host.Deployment{
		ID: id("t/kv"), Engine: engine, Source: core.Source{Code: keyValueWasm}, Capabilities: host.Capabilities{KeyValue: granted},
		Limits: core.Limits{HandlerTime: time.Minute, HandlerWallTime: time.Hour}, Quota: host.Quota{Bucket: host.BucketQuota{Keys: 3}},
	}
}

func wasmEngines() []string {
	if wasmtime.Available {
		return []string{wazero.Name, wasmtime.Name}
	}
	return []string{wazero.Name}
}

// keyValueStores are the stores, by name.
var keyValueStores = map[string]func(t testing.TB) keyvalue.Store{
	"memory": func(testing.TB) keyvalue.Store { return keyvalue.NewMemory() },
	"bbolt":  func(t testing.TB) keyvalue.Store { return fileStore(t, false) },
	"sync":   func(t testing.TB) keyvalue.Store { return fileStore(t, true) },
	"nats":   natsStore,
}

// natsStore is a store at a NATS server of its own.
func natsStore(t testing.TB) keyvalue.Store {
	server := natstest.Serve(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	broker, err := nats.Dial(t.Context(), nats.Config{URL: server.ClientURL()})
	check(t, err)
	t.Cleanup(broker.Close)
	return natskv.New(natskv.Config{Broker: broker, Bucket: nats.KeyValueBucket("")})
}

func fileStore(t testing.TB, sync bool) keyvalue.Store {
	s, err := keyvalue.OpenFile(keyvalue.FileConfig{Path: filepath.Join(t.TempDir(), "kv.db"), Sync: sync})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

// TestKeyValue: all that a guest can do with wasi:keyvalue, on every engine and store.
func TestKeyValue(t *testing.T) {
	for _, engine := range wasmEngines() {
		for name, open := range keyValueStores {
			t.Run(engine+"/"+name, func(t *testing.T) { testKeyValue(t, keyValueHost(t, engine, open(t), "default", "shared")) })
		}
	}
}

func testKeyValue(t *testing.T, h *host.Host) {
	long := strings.Repeat("long", 25)
	for _, c := range []struct{ ask, want string }{
		{step('o', "other"), "E1"},
		{step('o', "shared") + step('s', "common", "ours"), ""},
		{step('o', "default") + step('g', "common"), "N"},
		{step('s', "a", "1") + step('g', "a") + step('e', "a") + step('e', "b"), "V1" + "1" + "0"},
		{step('s', "a", long) + step('g', "a"), "V" + long},
		{step('s', "a", "") + step('g', "a"), "V"},
		{step('d', "a") + step('d', "a") + step('g', "a"), "N"},
		{step('i', "n", "\x05") + step('i', "n", "\xfe") + step('g', "n"), "\x05\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00V3"},
		{step('s', "z", "x") + step('i', "z", "\x01"), `E2the value is no number in decimal text that fits 64 bits: "x"`},
		{step('l'), "n z "},
		{step('l', "n"), "z "},
		{step('l', "zz"), ""},
		{step('c', "z") + step('r') + step('w', "new") + step('g', "z"), "VxWVnew"},
		{step('c', "z") + step('s', "z", "else") + step('w', "mine") + step('r') + step('w', "now mine") + step('g', "z"), "FVelseWVnow mine"},
		{step('c', "y") + step('r') + step('w', "made") + step('g', "y"), "NWVmade"},
		{step('G', "z", "none"), "Vz=now mineN"},
		{step('D', "y", "none") + step('g', "y") + step('S', "y", "w"), "NE2quota: the bucket would have more than quota.keyvalue_keys, 3"},
		{step('g', "y") + step('S', "y", "z") + step('G', "y", "z"), "VwVy=zVz=y"},
		{step('s', "fourth", "x"), "E2quota: the bucket would have more than quota.keyvalue_keys, 3"},
		{step('g', "") + step('s', ""), "E2the key is emptyE2the key is empty"},
		{step('x') + step('o', "shared") + step('g', "common") + step('l'), "Vourscommon "},
	} {
		answer, err := h.Request(within(t), id("t/kv"), []byte(c.ask))
		if string(answer) != c.want || err != nil {
			t.Fatalf("%q: got %q, %v, want %q", c.ask, answer, err, c.want)
		}
	}
	if n := h.Snapshot(); n.KeyValue < 40 || n.FailedKeyValue["access-denied"] != 1 || n.FailedKeyValue["other"] != 5 {
		t.Errorf("counted %d calls, %v failed", n.KeyValue, n.FailedKeyValue)
	}
}

// TestKeyValueRace: instances that write at once do not pass the quota together, on every engine and store.
func TestKeyValueRace(t *testing.T) {
	for _, engine := range wasmEngines() {
		for name, open := range keyValueStores {
			t.Run(engine+"/"+name, func(t *testing.T) { testKeyValueRace(t, engine, open(t)) })
		}
	}
}

func testKeyValueRace(t *testing.T, engine string, store keyvalue.Store) {
	h := keyValueHost(t, engine, store, "default")
	d := keyValueDeployment(engine, "default")
	d.Instances, d.Spread = 4, host.SpreadAny
	check(t, h.Replace(t.Context(), d))
	var all sync.WaitGroup
	var refused atomic.Int64
	for i := range 8 {
		all.Go(func() {
			ask := step('o', "default")
			for k := range 5 {
				ask += step('s', fmt.Sprint(i, "-", k), "x") + step('d', fmt.Sprint(i, "-", k-1))
			}
			answer, err := h.Request(context.Background(), id("t/kv"), []byte(ask))
			if err != nil {
				t.Error(err)
			}
			refused.Add(int64(strings.Count(string(answer), "quota.keyvalue_keys, 3")))
			if used, err := store.Bucket("t/kv").Usage(t.Context()); err != nil || used.Keys > 3 {
				t.Errorf("the bucket has %+v, %v", used, err)
			}
		})
	}
	all.Wait()
	keys, _, err := store.Bucket("t/kv").Keys(t.Context(), "", 100)
	used, err2 := store.Bucket("t/kv").Usage(t.Context())
	if err != nil || err2 != nil || int64(len(keys)) != used.Keys || used.Keys > 3 || refused.Load() == 0 {
		t.Errorf("there are %q, the usage is %+v, and %d sets were refused: %v, %v", keys, used, refused.Load(), err, err2)
	}
}

// TestKeyValueDenied: without a grant or a store there is no bucket.
func TestKeyValueDenied(t *testing.T) {
	for _, engine := range wasmEngines() {
		ask := func(h *host.Host, want string) {
			t.Helper()
			answer, err := h.Request(within(t), id("t/kv"), []byte(step('o', "default")))
			if string(answer) != want || err != nil {
				t.Errorf("got %q, %v, want %q", answer, err, want)
			}
		}
		ask(keyValueHost(t, engine, keyvalue.NewMemory()), "E1")
		ask(keyValueHost(t, engine, keyvalue.NewMemory(), "shared"), "E1")
	}
}

// TestKeyValueIsTaken: an open bucket is refused from when its capability is gone, and there again
// with it. Values outlive a replacement.
func TestKeyValueIsTaken(t *testing.T) {
	for _, engine := range wasmEngines() {
		h := keyValueHost(t, engine, keyvalue.NewMemory(), "default")
		d := host.Deployment{
			ID: id("t/kv"), Engine: engine, Source: core.Source{Code: keyValueWasm},
			Limits: core.Limits{HandlerTime: time.Minute, HandlerWallTime: time.Hour},
		}
		for i, c := range []struct {
			granted []string
			change  func(context.Context, host.Deployment) error
			ask     string
			want    string
		}{
			{[]string{"default"}, h.Update, step('o', "default") + step('s', "a", "kept"), ""},
			{nil, h.Update, step('g', "a") + step('s', "a", "x"), "E1E1"},
			{[]string{"default"}, h.Update, step('g', "a"), "Vkept"},
			{[]string{"default"}, h.Replace, step('o', "default") + step('g', "a"), "Vkept"},
		} {
			d.Capabilities.KeyValue = c.granted
			check(t, c.change(within(t), d))
			answer, err := h.Request(within(t), id("t/kv"), []byte(c.ask))
			if string(answer) != c.want || err != nil {
				t.Errorf("%s, step %d: got %q, %v, want %q", engine, i, answer, err, c.want)
			}
		}
	}
}

// slowStore is a store that answers when the caller's time is over.
type slowStore struct{ keyvalue.Store }

func (slowStore) Blocks() bool { return true }

func (s slowStore) Bucket(name string) host.StoreBucket { return slowBucket{s.Store.Bucket(name)} }

type slowBucket struct{ host.StoreBucket }

func (slowBucket) Get(ctx context.Context, _ string) (core.Value, error) {
	<-ctx.Done()
	return core.Value{}, ctx.Err()
}

// TestKeyValueTime: the time of a store is not the guest's running time, and it is bounded.
func TestKeyValueTime(t *testing.T) {
	for _, engine := range wasmEngines() {
		h := keyValueHost(t, engine, slowStore{keyvalue.NewMemory()}, "default")
		check(t, h.Replace(within(t), host.Deployment{
			ID: id("t/kv"), Engine: engine, Source: core.Source{Code: keyValueWasm}, Capabilities: host.Capabilities{KeyValue: []string{"default"}},
			Limits: core.Limits{HandlerTime: time.Second, HandlerWallTime: 2 * time.Second},
		}))
		answer, err := h.Request(within(t), id("t/kv"), []byte(step('o', "default")+step('g', "a")))
		if want := "E2the store did not answer in time, and it is unknown whether a change was made"; string(answer) != want || err != nil {
			t.Errorf("%s: got %q, %v", engine, answer, err)
		}
	}
}

// BenchmarkKeyValue is a get and a set of 64 bytes by a guest, in each store, beside a map of Go
// and bbolt itself. Its bound is BenchmarkFunction: twice that, for the memory store.
func BenchmarkKeyValue(b *testing.B) {
	for _, engine := range wasmEngines() {
		for _, name := range []string{"memory", "bbolt", "sync"} {
			h := keyValueHost(b, engine, keyValueStores[name](b), "default")
			_, err := h.Request(context.Background(), id("t/kv"), []byte(step('o', "default")))
			check(b, err)
			for what, of := range map[string]string{"set": "s", "get": "g"} {
				b.Run(fmt.Sprintf("%s/%s/%s", engine, name, what), func(b *testing.B) {
					b.ReportAllocs()
					for n := b.N; n > 0; n -= most1M {
						ask := binary.LittleEndian.AppendUint32([]byte("n"+of), uint32(min(n, most1M)))
						_, err := h.Request(context.Background(), id("t/kv"), ask)
						check(b, err)
					}
				})
			}
		}
	}
	b.Run("map/set", func(b *testing.B) {
		m, value := make(map[string][]byte), make([]byte, 64)
		for b.Loop() {
			m["key"] = append([]byte(nil), value...)
		}
	})
	b.Run("map/get", func(b *testing.B) {
		m := map[string][]byte{"key": make([]byte, 64)}
		for b.Loop() {
			_ = append([]byte(nil), m["key"]...)
		}
	})
	for _, sync := range []bool{false, true} {
		b.Run(fmt.Sprintf("bare bbolt/set/sync=%v", sync), func(b *testing.B) { benchBare(b, sync, true) })
		b.Run(fmt.Sprintf("bare bbolt/get/sync=%v", sync), func(b *testing.B) { benchBare(b, sync, false) })
	}
}

// benchBare is a transaction of bbolt itself for each get or set.
func benchBare(b *testing.B, sync, set bool) {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, &bbolt.Options{NoSync: !sync, FreelistType: bbolt.FreelistMapType})
	check(b, err)
	b.Cleanup(func() { check(b, db.Close()) })
	name, key, value := []byte("bucket"), []byte("key"), make([]byte, 64)
	put := func(tx *bbolt.Tx) error {
		in, err := tx.CreateBucketIfNotExists(name)
		return errors.Join(err, in.Put(key, value))
	}
	check(b, db.Update(put))
	for b.Loop() {
		if set {
			check(b, db.Update(put))
			continue
		}
		check(b, db.View(func(tx *bbolt.Tx) error {
			_ = append([]byte(nil), tx.Bucket(name).Get(key)...)
			return nil
		}))
	}
}
