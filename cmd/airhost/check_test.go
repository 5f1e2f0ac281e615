package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/config"
)

// TestCheckOfInstances: check says where several instances make the state useless.
func TestCheckOfInstances(t *testing.T) {
	for instances, want := range map[config.Instances]string{0: "ok", 1: "ok", 2: "ok, but with several instances", -1: "ok, but with several instances"} {
		c := checker{
			file:   &config.File{Components: []config.Component{{Instances: instances}}},
			traits: []core.Traits{{State: true}}, hints: []string{""}, found: make([]config.Mistakes, 1),
		}
		if got := c.result(0); !strings.HasPrefix(got, want) || want == "ok" && got != want {
			t.Errorf("%d instances: got %q, want %q", instances, got, want)
		}
	}
}

// TestCheckColumns: check shows the grants of each component. Kinds of grants that no component has take no
// place, but for messages.
func TestCheckColumns(t *testing.T) {
	plain := config.Component{ID: core.MustComponentID("a/plain"), Engine: "wazero", Source: "a.wasm"}
	all, err := core.ParseIDPattern("a/*")
	if err != nil {
		t.Fatal(err)
	}
	rich := plain
	rich.ID, rich.Secrets, rich.Capabilities.Send = core.MustComponentID("a/rich"), config.Secrets{"TOKEN": {}, "KEY": {}}, []core.IDPattern{all}
	for want, components := range map[string][]config.Component{
		`COMPONENT  ENGINE  SOURCE  SENDS TO  REQUESTS FROM  CALLS    RESULT
a/plain    wazero  a.wasm  nobody    nobody         nothing  ok
`: {plain},
		`COMPONENT  ENGINE  SOURCE  SENDS TO  REQUESTS FROM  CALLS    SECRETS    RESULT
a/plain    wazero  a.wasm  nobody    nobody         nothing  none       ok
a/rich     wazero  a.wasm  a/*       nobody         nothing  KEY TOKEN  ok
`: {plain, rich},
	} {
		n := len(components)
		c := checker{file: &config.File{Components: components}, traits: make([]core.Traits, n), hints: make([]string, n), found: make([]config.Mistakes, n)}
		var out bytes.Buffer
		if err := (&program{stdout: &out}).checked(&c); err != nil || out.String() != want {
			t.Errorf("got %v\n%s, want\n%s", err, out.String(), want)
		}
	}
}
