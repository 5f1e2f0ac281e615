package main

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/natstest"
	"github.com/airhost/airhost/internal/service"
)

// TestDrain: the command tells each step and the result, and its exit code is 0 if all has moved.
func TestDrain(t *testing.T) {
	f := newFakeHost(t)
	f.steps = []admin.Progress{{ID: "shop/orders", Step: "moved", Host: "b"}}
	f.drained = &admin.Drained{Moved: []admin.MovedComponent{{ID: "shop/orders", Host: "b"}}, Here: 2}
	want := outcome{exitDone, "1 component moved to other hosts; 2 components with place: here until the host is stopped; the host can be stopped\n", "shop/orders: moved to b\n"}
	if got := runArgs("drain", f.file); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	f.steps, f.drained = nil, &admin.Drained{Moved: []admin.MovedComponent{{ID: "shop/orders", Host: "b"}, {ID: "shop/stock", Error: "nobody \x1b else"}}}
	got := runArgs("drain", f.file)
	if want := "shop/stock goes on here: \"nobody \\x1b else\"\n1 component moved to other hosts, 1 could not\n"; got.code != exitFailed || got.stdout != want {
		t.Errorf("got %+v, want %q", got, want)
	}
	f.drained = &admin.Drained{Undone: true}
	if got := runArgs("drain", f.file, "--undo"); got != (outcome{exitDone, "the host takes components again\n", ""}) {
		t.Errorf("got %+v", got)
	}
	if got := f.requests(); !slices.Contains(got, `POST /v1/drain {}`) || !slices.Contains(got, `POST /v1/drain {"undo":true}`) {
		t.Errorf("the host was asked %q", got)
	}
	if got := runArgs("drain", f.file, "--undo", "--output", "json"); got.code != exitDone || !strings.Contains(got.stdout, `"undone": true`) {
		t.Errorf("got %+v", got)
	}
	if got := runArgs("drain", f.file, "--timeout", "-1s"); got.code != exitUsage || !strings.Contains(got.stderr, "want a time above 0") {
		t.Errorf("got %+v", got)
	}
	f.drained = nil // it does not answer
	if got := runArgs("drain", f.file, "--timeout", "50ms"); got.code != exitFailed || !strings.Contains(got.stderr, "not all components have moved within 50ms") {
		t.Errorf("got %+v", got)
	}
}

// TestPlacesInTable: ps shows where a component runs, if that is another host.
func TestPlacesInTable(t *testing.T) {
	text := componentTable([]admin.Component{{ID: "a/b", State: "elsewhere", Host: "host-2"}, {ID: "a/c", State: "unplaced", LastError: "no host runs it at the moment"}}).String()
	if !strings.Contains(text, "on host-2") || !strings.Contains(text, "unplaced") {
		t.Errorf("got\n%s", text)
	}
}

// TestPlacementWithPermissions: hosts with no more than their permissions share components, and move them;
// serveFile looks for refusals of the server.
func TestPlacementWithPermissions(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	file := func(name, url string) string {
		text := fmt.Sprintf("host: {broker: nats, admin: 'off', nats: {url: %q, cluster: prod.eu, name: %s, lease: 1s}}\ncomponents:\n - {id: l/%s, source: echo, engine: native}\n", url, name, name)
		for i := range 6 {
			text += fmt.Sprintf(" - {id: c/%d, source: counter, engine: native, place: any, capabilities: {send: ['c/*']}}\n", i)
		}
		return writeFile(t, name+".yaml", text)
	}
	var users []*server.User
	for _, name := range []string{"one", "two.x"} {
		all := permissionsOf(t, file(name, "nats://a")).Permissions
		users = append(users, &server.User{Username: name, Password: "open-sesame", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: all.Publish.Allow}, Subscribe: &server.SubjectPermission{Allow: all.Subscribe.Allow},
		}})
	}
	s := natstest.Serve(t, &server.Options{Users: users, JetStream: true, StoreDir: t.TempDir()})
	url := func(name string) string { return "nats://" + name + ":open-sesame@" + s.Addr().String() }
	one := serveFile(t, file("one", url("one")))
	two := serveFile(t, file("two.x", url("two.x")))
	placed := func(s *service.Service) (n int) {
		for _, c := range s.Components() {
			if c.ID.Namespace() == "c" && c.State == "running" {
				n++
			}
		}
		return n
	}
	for end := time.Now().Add(time.Minute); placed(two) == 0 || placed(one)+placed(two) != 6; <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("they run %d and %d components", placed(one), placed(two))
		}
	}
	drained, err := two.Drain(t.Context(), admin.DrainRequest{}, func(admin.Progress) {})
	if err != nil || len(drained.Moved) == 0 || len(drained.Failed()) > 0 || placed(one) != 6 {
		t.Errorf("%v: %+v, %d run on the other host", err, drained, placed(one))
	}
	for i := range 6 {
		if response, err := one.Request(t.Context(), core.MustComponentID(fmt.Sprintf("c/%d", i)), []byte("x")); err != nil || string(response) != "1" {
			t.Errorf("got %q, %v", response, err)
		}
	}
	for _, name := range []string{"one", "two.x"} {
		if code, out, errs := runs("check", "--online", file(name, url(name))); code != exitDone {
			t.Errorf("check --online: exit code %d, %s%s", code, out, errs)
		}
	}
}

// TestPsOfADrainedHost: ps --cluster shows that a host is drained, until that is undone.
func TestPsOfADrainedHost(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	n := natstest.Serve(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	file := writeFile(t, "one.yaml", fmt.Sprintf(`host: {broker: nats, nats: {url: "nats://%s", name: one, lease: 1s}}
components:
 - {id: l/echo, source: echo, engine: native}
 - {id: c/0, source: counter, engine: native, place: any, place_labels: {zone: far}}
`, n.Addr()))
	one := airhost(t, "run", file)
	one.when(running, func() {
		state := func(want string) {
			t.Helper()
			if got := runArgs("ps", "--cluster", file); !strings.Contains(got.stdout, "  "+want+"           1\n") {
				t.Errorf("%q is not in %s%s", want, got.stdout, got.stderr)
			}
		}
		state("connected")
		if got := runArgs("drain", file); got.code != exitDone {
			t.Errorf("drain: %+v", got)
		}
		state("connected, drained")
		if got := runArgs("drain", file, "--undo"); got.code != exitDone {
			t.Errorf("drain --undo: %+v", got)
		}
		state("connected")
		one.send(syscall.SIGTERM)()
	})
	one.ends(exitDone)
}
