package config_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/golden"
)

// built is the vocabulary of these tests.
var built = config.Built{
	Engines: []config.Choice{
		{Name: "wazero", About: "runs WebAssembly"}, {Name: "wasmtime", LeftOut: "it takes cgo"},
		{Name: "native", About: "runs Go"}, {Name: "process"},
	},
	Brokers:  []config.Choice{{Name: "inproc"}, {Name: "channel"}, {Name: "nats"}},
	Trackers: []config.Choice{{Name: "slab"}, {Name: "timermap"}},
	Native:   []string{"echo", "relay"},
	Lookup:   lookup,
}

// variables are those of these tests.
var variables = map[string]string{
	"REDIS_PASSWORD": "open sesame", "REGION": "eu-west", "ID": "shop/orders", "MEMORY": "64MiB", "COUNT": "7", "YES": "true",
	"EMPTY": "", "YAML": "a: [b, *c]\n# d", "NULL": "null", "DOLLARS": "$$${A}", "HUGE": strings.Repeat("x", config.MaxFileSize/2),
	"LARGE": strings.Repeat("x", config.MaxFileSize+1),
	"NUL":   "a\x00b", "LATIN": "caf\xe9", "SECRET": "hunter2", "TIME": "200ms",
}

func lookup(name string) (string, bool) {
	value, set := variables[name]
	return value, set
}

// compared makes go-cmp compare ids and patterns by their values.
var compared = cmp.Options{
	cmpopts.IgnoreUnexported(config.File{}, config.Component{}, config.Defaults{}),
	cmp.Comparer(func(a, b core.ComponentID) bool { return a == b }),
	cmp.Comparer(func(a, b core.IDPattern) bool { return a == b }),
	cmp.Comparer(func(a, b core.TopicPattern) bool { return a == b }),
}

func patterns(t *testing.T, texts ...string) []core.IDPattern {
	t.Helper()
	var list []core.IDPattern
	for _, text := range texts {
		p, err := core.ParseIDPattern(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func TestDesignExample(t *testing.T) {
	text, err := os.ReadFile("testdata/design.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Decode("design.yaml", text, built)
	if err != nil {
		t.Fatal(err)
	}
	want := &config.File{
		Host: config.Host{Broker: config.Part{Name: "inproc"}, Tracker: config.Part{Name: "slab"}, RequestTimeout: config.Duration(5 * time.Second), Workers: 2, DeadLetters: 100},
		Components: []config.Component{{
			ID:     core.MustComponentID("shop/orders"),
			Source: "./orders.wasm",
			Engine: "wazero", Instances: -1, Spread: "any", Delivery: "memory",
			Config: config.Pairs{{Key: "region", Value: "eu"}},
			Capabilities: config.Capabilities{
				Send:    patterns(t, "shop/audit"),
				Request: patterns(t, "shop/stock"),
				Publish: []core.TopicPattern{core.MustTopicPattern("orders.*")},
			},
			Subscribe: []config.Subscription{{Topic: core.MustTopicPattern("orders.*")}, {Topic: core.MustTopicPattern("jobs.>"), Queue: "workers"}},
			Limits: config.Limits{Memory: 32 << 20, TableElements: 10_000, Nesting: 3000, Stack: 1 << 20, HandlerTime: config.Duration(250 * time.Millisecond),
				HandlerWallTime: config.Duration(2500 * time.Millisecond), StartTime: config.Duration(10 * time.Second), Mailbox: 1024, MailboxBytes: 64 << 20, Timers: 100},
			Quota: config.Quota{MessagesPerSecond: 10_000, Burst: 1000, MessageSize: 1 << 20, PendingRequests: 1000},
			Logs:  config.Logs{LinesPerSecond: 1000, BytesPerSecond: 1 << 20}, Required: true,
			Restart: config.Restart{
				Policy: "transient", MaxRestarts: 5, Within: config.Duration(30 * time.Second),
				Backoff: config.Duration(100 * time.Millisecond), MaxBackoff: config.Duration(10 * time.Second), CoolDown: config.Duration(5 * time.Minute), MaxDeliver: 5,
			},
		}},
		Budgets: map[string]config.Budget{"shop": {Memory: 1 << 30, MessagesPerSecond: 100_000}},
		Gateway: config.Gateway{HTTP: config.HTTP{
			Listen: "127.0.0.1:8080", TLS: config.TLS{Certificate: "./certificate.pem", Key: "./key.pem"},
			Routes: []config.Route{{
				Path: "/orders/{id}", Methods: []string{"GET", "POST"}, Target: core.MustComponentID("shop/orders"),
				Pattern: "request-response", Timeout: config.Duration(2 * time.Second), Envelope: "none",
			}},
		}},
		Schedules: []config.Schedule{
			{Every: config.Duration(10 * time.Second), Target: core.MustComponentID("shop/sweeper"), Data: "tick"},
			{Cron: "*/5 * * * *", TimeZone: "Europe/Berlin", Target: core.MustComponentID("shop/report")},
		},
	}
	if diff := cmp.Diff(want, got, compared); diff != "" {
		t.Errorf("design.yaml, want -, got +:\n%s", diff)
	}
}

func TestExtensions(t *testing.T) {
	text, err := os.ReadFile("testdata/extensions.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Decode("extensions.yaml", text, built)
	if err != nil {
		t.Fatal(err)
	}
	sum := make(config.Checksum, 32)
	sum[31] = 0x0f
	want := config.Host{
		Broker: config.Part{Plugin: &config.Extension{
			Plugin: "./my-broker", Args: []string{"--prefix", "shop"}, Env: config.Pairs{{Key: "REDIS_URL", Value: "redis://localhost:6379/0"}, {Key: "REDIS_PASSWORD", Value: "open sesame"}},
			SHA256: sum, StartTimeout: config.Duration(3 * time.Second),
			Restart: config.Restart{Policy: "permanent", MaxRestarts: -1},
		}},
		Tracker: config.Part{Plugin: &config.Extension{Plugin: "/opt/my-tracker"}},
	}
	if diff := cmp.Diff(want, got.Host, compared); diff != "" {
		t.Errorf("extensions.yaml, want -, got +:\n%s", diff)
	}
	if warnings := got.Warnings(); len(warnings) != 0 {
		t.Errorf("got %v, want no warning for a target that another host may have", warnings)
	}
}

func TestConfigKeepsOrderAndSpelling(t *testing.T) {
	const text = `
components:
  - id: a/b
    source: echo
    engine: native
    config: {z: 1, a: 0x10, m: true, price: 1.50, 7: "007", empty: "", lines: "one\ntwo"}
`
	f, err := config.Decode("a.yaml", []byte(text), built)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Pairs{
		{Key: "z", Value: "1"},
		{Key: "a", Value: "0x10"},
		{Key: "m", Value: "true"},
		{Key: "price", Value: "1.50"},
		{Key: "7", Value: "007"},
		{Key: "empty", Value: ""},
		{Key: "lines", Value: "one\ntwo"},
	}
	if diff := cmp.Diff(want, f.Components[0].Config); diff != "" {
		t.Errorf("config, want -, got +:\n%s", diff)
	}
}

func TestAnchorsRepeatValues(t *testing.T) {
	const text = `
components:
  - {id: a/b, source: echo.wasm, engine: wazero, limits: &small {memory: 1MiB}}
  - {id: a/c, source: echo.wasm, engine: wazero, limits: *small}
`
	f, err := config.Decode("a.yaml", []byte(text), built)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Components[1].Limits.Memory; got != 1<<20 {
		t.Errorf("memory through an alias is %d, want 1 MiB", got)
	}
}

// TestMistakes compares the mistakes of each file in testdata/mistakes with the golden
// file beside it.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = config.Decode(filepath.Base(file), text, built)
			var mistakes config.Mistakes
			if !errors.As(err, &mistakes) {
				t.Fatalf("Decode returned %v, want Mistakes", err)
			}
			golden.Check(t, strings.TrimPrefix(strings.TrimSuffix(file, ".yaml"), "testdata/")+".golden", err.Error()+"\n")
		})
	}
}

func TestMistakesAreErrors(t *testing.T) {
	_, err := config.Decode("a.yaml", []byte("hots: {}\ncomponents: []\n"), built)
	var first *config.Mistake
	if !errors.As(err, &first) || first.Path != "hots" || first.Line != 1 || first.Column != 1 {
		t.Fatalf("errors.As found %+v, want the mistake at 1:1 hots", first)
	}
	if want := `a.yaml:1:1: hots: unknown key, did you mean "host"?`; first.Summary() != want {
		t.Errorf("Summary() = %q, want %q", first.Summary(), want)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	code := write("guest.wasm", "")
	good := write("good.yaml", "components:\n- {id: a/b, source: ./guest.wasm, engine: wazero}\n- {id: a/c, source: echo, engine: native}\n")
	f, err := config.Load(good, built)
	if err != nil {
		t.Fatal(err)
	}
	if got := []string{f.Components[0].Source, f.Components[1].Source}; !slices.Equal(got, []string{code, "echo"}) {
		t.Errorf("sources are %q, want the guest's path and the native name", got)
	}

	for name, c := range map[string]struct{ path, want string }{
		"no file":        {filepath.Join(dir, "none.yaml"), "none.yaml: no such file"},
		"directory":      {dir, ": want a file, this is a directory"},
		"no source":      {write("a.yaml", "components:\n- {id: a/b, source: gest.wasm, engine: wazero}\n"), "a.yaml:2:21: components[0].source: " + filepath.Join(dir, "gest.wasm") + ": no such file"},
		"source is dir":  {write("b.yaml", "components:\n- {id: a/b, source: ., engine: wazero}\n"), "want a file, this is a directory"},
		"and other ones": {write("c.yaml", "components:\n- {id: a/b, source: x, engine: wazero}\nhots: {}\n"), "no such file"},
		"too large":      {write("d.yaml", strings.Repeat("#", config.MaxFileSize+1)), "larger than 1 MiB"},
	} {
		if _, err := config.Load(c.path, built); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Load returned %v, want …%s", name, err, c.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	const text = `
components:
  - id: shop/orders
    source: echo
    engine: native
    capabilities: {send: ["*", shop/*, shop/ordres, cart/*], request: [shop/orders], publish: [orders.new, stock.*]}
    subscribe: ["orders.*", {topic: "order.>", queue: workers}]
budgets: {shop: {burst: 1, messages_per_second: 1}, shpo: {running_time: 1s}}
`
	f, err := config.Decode("a.yaml", []byte(text), built)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range f.Warnings() {
		got = append(got, w.Summary())
	}
	want := []string{
		`a.yaml:8:53: budgets.shpo: no component of this file is in the namespace shpo, did you mean "shop"?`,
		`a.yaml:6:40: components[0].capabilities.send[2]: no component of this file matches shop/ordres, did you mean "shop/orders"?`,
		`a.yaml:6:53: components[0].capabilities.send[3]: no component of this file matches cart/*`,
		`a.yaml:6:108: components[0].capabilities.publish[1]: no component of this file has subscribed to what matches stock.*`,
		`a.yaml:7:29: components[0].subscribe[1]: no component of this file may publish on what matches order.>`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings, want -, got +:\n%s", diff)
	}
}

// TestSchemaHasTheKeysOfTheFile compares the key sets of schema and structs, and
// reads every limit and default in the syntax of its field.
func TestSchemaHasTheKeysOfTheFile(t *testing.T) {
	text, err := config.Schema(built)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	sameKeys(t, "", schema, reflect.TypeFor[config.File]())
}

func sameKeys(t *testing.T, path string, schema map[string]any, typ reflect.Type) {
	if typ.Kind() == reflect.Slice && schema["items"] != nil {
		schema, typ = schema["items"].(map[string]any), typ.Elem()
	}
	if typ.Kind() == reflect.Map {
		if schema["propertyNames"] == nil {
			t.Errorf("%s: the schema allows any name", path)
		}
		schema, typ = schema["additionalProperties"].(map[string]any), typ.Elem()
	}
	if typ == reflect.TypeFor[config.Part]() {
		schema, typ = schema["oneOf"].([]any)[1].(map[string]any), reflect.TypeFor[config.Extension]()
	}
	properties, _ := schema["properties"].(map[string]any)
	if properties == nil {
		return
	}
	if schema["additionalProperties"] != false {
		t.Errorf("%s: the schema allows unknown keys", path)
	}
	for i := range typ.NumField() {
		key, _, _ := strings.Cut(typ.Field(i).Tag.Get("yaml"), ",")
		if key == "" || path == ".defaults" && slices.Contains([]string{"id", "source", "sha256", "secrets"}, key) {
			continue
		}
		property, ok := properties[key].(map[string]any)
		if !ok {
			t.Errorf("%s.%s is not in the schema", path, key)
			continue
		}
		if property["description"] == nil {
			t.Errorf("%s.%s has no description", path, key)
		}
		sameKeys(t, path+"."+key, property, typ.Field(i).Type)
		delete(properties, key)
	}
	for key := range properties {
		t.Errorf("%s.%s is in the schema only", path, key)
	}
}

// TestSchemaHasTheChoices: the schema of a program allows the names of all its parts,
// those that are left out as well, and tells about each.
func TestSchemaHasTheChoices(t *testing.T) {
	text, err := config.Schema(built)
	if err != nil {
		t.Fatal(err)
	}
	type property struct {
		Enum        []string
		OneOf       []property
		Default     any
		Description string
	}
	var schema struct {
		Properties struct {
			Host       struct{ Properties map[string]property }
			Components struct {
				Items struct{ Properties map[string]property }
			}
		}
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	host, component := schema.Properties.Host.Properties, schema.Properties.Components.Items.Properties
	want := property{
		OneOf: []property{{Enum: []string{"wazero", "wasmtime", "native", "process"}}, {}}, Default: "wazero",
		Description: "The engine, which runs the guest. wazero runs WebAssembly; native runs Go.",
	}
	if diff := cmp.Diff(want, component["engine"]); diff != "" {
		t.Errorf("engine, want -, got +:\n%s", diff)
	}
	if got := host["broker"]; got.Default != "inproc" || !slices.Equal(got.OneOf[0].Enum, []string{"inproc", "channel", "nats"}) {
		t.Errorf("broker: got %+v", got)
	}
	if got := host["tracker"]; got.Default != "slab" || !slices.Equal(got.OneOf[0].Enum, []string{"slab", "timermap"}) {
		t.Errorf("tracker: got %+v", got)
	}
}

// TestDefaultsAreAccepted writes every default of the schema into a file.
func TestDefaultsAreAccepted(t *testing.T) {
	text, err := config.Schema(built)
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties struct {
			Host       map[string]any
			Components struct{ Items map[string]any }
		}
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	component := defaults(schema.Properties.Components.Items).(map[string]any)
	component["id"], component["source"], component["engine"] = "a/b", "echo.wasm", "wazero"
	delete(component, "process") // other engines have none
	host := defaults(schema.Properties.Host).(map[string]any)
	host["broker"] = "nats" // so that it may have the defaults of host.nats
	file, err := json.Marshal(map[string]any{"host": host, "components": []any{component}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := config.Decode("defaults.yaml", file, built)
	if err != nil {
		t.Fatalf("%v\n%s", err, file)
	}
	l := f.Components[0].Limits
	got := core.Limits{
		Memory: int64(l.Memory), TableElements: l.TableElements, Nesting: l.Nesting, Stack: int64(l.Stack), HandlerTime: time.Duration(l.HandlerTime),
		HandlerWallTime: 10 * time.Duration(l.HandlerTime), StartTime: time.Duration(l.StartTime),
		Fuel: l.Fuel, Mailbox: l.Mailbox, MailboxBytes: int64(l.MailboxBytes), Timers: l.Timers, MessageSize: int(f.Components[0].Quota.MessageSize),
		LogLines: f.Components[0].Logs.LinesPerSecond, LogBytes: int64(f.Components[0].Logs.BytesPerSecond),
	}
	if want := (core.Limits{}).WithDefaults(); got != want {
		t.Errorf("the schema's default limits are %+v, core's are %+v", got, want)
	}
}

func defaults(schema map[string]any) any {
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		return schema["default"]
	}
	values := map[string]any{}
	for key, property := range properties {
		if value := defaults(property.(map[string]any)); value != nil {
			values[key] = value
		}
	}
	return values
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]config.Size{"0": 0, "512": 512, "1B": 1, "64KiB": 64 << 10, "16MiB": 16 << 20, "4GiB": 4 << 30, "1TiB": 1 << 40} {
		var got config.Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("size %s is %d, %v, want %d", text, got, err, want)
		}
		again, _ := got.MarshalText()
		var back config.Size
		if err := back.UnmarshalText(again); err != nil || back != want {
			t.Errorf("size %s is written as %s and read as %d, %v", text, again, back, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5MiB", "1 MiB", "1MB", "1kib", "9223372036854775808", "9007199254740992KiB", "8388608TiB"} {
		if err := new(config.Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("size %q is accepted", text)
		}
	}
	for _, text := range []string{"", "5", "-5s", "+5s", "5 s", "5d", ".5s", "1e3s", "9999999h"} {
		if err := new(config.Duration).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("duration %q is accepted", text)
		}
	}
}

// TestRangesAreThoseOfCore: the smallest and largest values of a file are valid in core.
func TestRangesAreThoseOfCore(t *testing.T) {
	for _, l := range []string{
		"memory: 64KiB, stack: 64KiB, handler_time: 1ms, handler_wall_time: 1ms, start_time: 1ms, mailbox: 1, mailbox_bytes: 1KiB, timers: 1",
		"memory: 4GiB, stack: 16MiB, handler_time: 24h, handler_wall_time: 240h, start_time: 24h, mailbox: 1048576, mailbox_bytes: 1TiB, timers: 1048576",
	} {
		for _, size := range []string{"1B", "700B"} {
			f, err := config.Decode("a.yaml", []byte("components: [{id: a/b, source: a.wasm, limits: {"+l+"}, quota: {message_size: "+size+"}}]"), built)
			if err != nil {
				t.Fatal(err)
			}
			l := f.Components[0].Limits
			limits := core.Limits{
				Memory: int64(l.Memory), Stack: int64(l.Stack), HandlerTime: time.Duration(l.HandlerTime), HandlerWallTime: time.Duration(l.HandlerWallTime),
				StartTime: time.Duration(l.StartTime), Mailbox: l.Mailbox, MailboxBytes: int64(l.MailboxBytes), Timers: l.Timers, MessageSize: int(f.Components[0].Quota.MessageSize),
			}
			if err := limits.Check(); err != nil {
				t.Error(err)
			}
		}
	}
}
