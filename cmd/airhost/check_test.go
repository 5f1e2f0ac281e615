package main

import (
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
