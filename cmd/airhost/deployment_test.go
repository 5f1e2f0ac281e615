package main

import (
	"testing"
	"time"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
)

// TestHostConfig: each key of the host that has a place in its configuration gets there.
func TestHostConfig(t *testing.T) {
	file, err := config.Decode("airhost.yaml", []byte(`
host: {workers: 3, held_up_workers: 4, request_timeout: 6s, drain_timeout: 7s, dead_letters: 8}
components: [{id: a/b, source: echo, engine: native}]
`), built())
	if err != nil {
		t.Fatal(err)
	}
	want := host.Config{Workers: 3, HeldUpWorkers: 4, RequestTimeout: 6 * time.Second, DrainTimeout: 7 * time.Second, DeadLetters: 8}
	if got := hostConfig(file.Host); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
