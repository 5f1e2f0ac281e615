package config_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/config"
)

func decode(t *testing.T, text string) *config.File {
	t.Helper()
	f, err := config.Decode("a.yaml", []byte(text), built)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestVariables(t *testing.T) {
	text, err := os.ReadFile("testdata/variables.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, string(text))
	want := &config.File{
		Host: config.Host{Workers: 7, DeadLetters: 12},
		Components: []config.Component{{
			ID: core.MustComponentID("shop/orders"), Source: "orders.wasm", Engine: "wazero", Instances: 7, Required: true,
			Config: config.Pairs{
				{Key: "region", Value: "eu-west"}, {Key: "both", Value: "eu-west/eu-west"}, {Key: "number", Value: "7"}, {Key: "text", Value: "7"},
				{Key: "empty", Value: ""}, {Key: "fallback", Value: ""}, {Key: "yaml", Value: "a: [b, *c]\n# d"}, {Key: "nil", Value: "null"},
				{Key: "dollars", Value: "$$${A}"}, {Key: "price", Value: "5$"}, {Key: "default", Value: "$x{y"}, {Key: "block", Value: "eu-west and $\n"},
			},
			Limits:       config.Limits{Memory: 64 << 20},
			Capabilities: config.Capabilities{Send: patterns(t, "shop/orders"), Request: patterns(t, "*")},
		}},
	}
	if diff := cmp.Diff(want, got, compared); diff != "" {
		t.Errorf("variables.yaml, want -, got +:\n%s", diff)
	}
	for path, want := range map[string]bool{
		"": true, "host": true, "host.workers": true, "host.broker": false, "components[0].config": true, "components[0].config.region": true,
		"components[0].config.price": false, "components[0].capabilities": true, "components[0].capabilities.send": true,
		"components[0].capabilities.request": false, "components[0].conf": false, "components": true, "components[1]": false,
	} {
		if got.Substituted(path) != want {
			t.Errorf("Substituted(%q) is %t", path, !want)
		}
	}
}

// TestMistakesHideVariables: no mistake about a value that came from a variable tells it.
func TestMistakesHideVariables(t *testing.T) {
	const secret = "hunter2"
	for _, text := range []string{
		"host: {workers: 5, broker: '${SECRET}'}\ncomponents: [{id: a/b, source: x}]",
		"components: [{id: a/b, source: '${SECRET}', engine: native}]",
		"components: [{id: a/b, source: '${SECRET}'}]",
		"components: [{id: a/b, source: './x/../${SECRET}'}]",
		"components: [{id: a/b, source: '../${SECRET}'}]",
		"components: [{id: '${SECRET}/x', source: a.wasm}, {id: '${SECRET}/x', source: a.wasm}]",
		"host: {broker: {plugin: '${SECRET}'}}\ncomponents: [{id: a/b, source: echo, engine: native}]",
		"gateway: {http: {listen: x, routes: [{path: x, target: '${SECRET}'}], tls: {certificate: '${SECRET}', key: '${SECRET}'}}}\ncomponents: [{id: a/b, source: echo, engine: native}]",
	} {
		path := t.TempDir() + "/a.yaml"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.Load(path, built)
		if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "${SECRET}") {
			t.Errorf("%s\nLoad returned %v\nwant mistakes with ${SECRET} as it was written", text, err)
		}
	}
	f := decode(t, "components: [{id: a/b, source: echo, engine: native, capabilities: {send: ['${SECRET}/b']}}]")
	for _, m := range append(f.Warnings(), f.Mistake("components[0]", "hunter2/b and hunter22")) {
		if want := "${SECRET}/b"; strings.Contains(m.Text, secret+"/") || !strings.Contains(m.Text, want) {
			t.Errorf("got %q, want %s", m.Text, want)
		}
	}
}

// TestEmptyVariables: a value that is empty hides nothing of a mistake.
func TestEmptyVariables(t *testing.T) {
	f := decode(t, "components: [{id: a/b, source: echo, engine: native, config: {a: '${EMPTY}'}}]")
	const text = "is wrong. So it is."
	if got := f.Mistake("components[0].config.a", text).Text; got != text {
		t.Errorf("got %q, want %q", got, text)
	}
}

// TestManyVariables takes minutes if the rest of the text is copied for each.
func TestManyVariables(t *testing.T) {
	f := decode(t, "components: [{id: a/b, source: echo, engine: native, config: {a: '"+strings.Repeat("${COUNT}", 100_000)+"'}}]")
	if got := f.Components[0].Config[0].Value; got != strings.Repeat("7", 100_000) {
		t.Errorf("got %.100q", got)
	}
}

// TestRepeatedVariables: a large variable that aliases repeat is refused, and its copies take no
// memory.
func TestRepeatedVariables(t *testing.T) {
	text := "components:\n- id: a/b\n  source: a.wasm\n  config:\n    a: &a '${HUGE:-x}'\n" + strings.Repeat("    b: *a\n", 1) +
		"    c: *a\n    d: *a\n    e: &b '" + strings.Repeat("$$", 1000) + "'\n"
	_, err := config.Decode("a.yaml", []byte(text), built)
	var mistakes config.Mistakes
	if !errors.As(err, &mistakes) || len(mistakes) != 3 || !strings.Contains(mistakes[0].Text, "larger than 1 MiB") {
		t.Errorf("got %v, want three mistakes: the values of two fit", err)
	}
}

func TestEnvironmentIsTheDefaultLookup(t *testing.T) {
	t.Setenv("AIRHOST_TEST_TIME", "3s")
	b := built
	b.Lookup = nil
	f, err := config.Decode("a.yaml", []byte("host: {drain_timeout: '${AIRHOST_TEST_TIME}'}\ncomponents: [{id: a/b, source: a.wasm}]"), b)
	if err != nil || f.Host.DrainTimeout != config.Duration(3*time.Second) {
		t.Errorf("got %v, %v, want 3s", f.Host.DrainTimeout, err)
	}
}
