package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/internal/golden"
)

// screenText is a picture without its sequences, which may only draw over the one before.
func screenText(t *testing.T, picture string) []string {
	t.Helper()
	text, found := strings.CutPrefix(picture, home)
	text, ends := strings.CutSuffix(text, eraseLine+eraseBelow)
	if !found || !ends {
		t.Errorf("the picture leaves something of the one before: %q", picture)
	}
	for _, sequence := range []string{bold, plain, eraseLine} {
		text = strings.ReplaceAll(text, sequence, "")
	}
	if strings.Contains(text, "\x1b") {
		t.Errorf("a guest's text has reached the terminal: %q", text)
	}
	return strings.Split(text, "\r\n")
}

func topOf(f *fakeHost) *top {
	return &top{interval: time.Second, sort: "rate", components: f.components, host: &admin.Snapshot{Name: "shop.yaml", NotReady: "shop/audit, which is required, has failed"}}
}

// TestTopFits: a picture fits each terminal, and shows of more components those that the user
// has moved to.
func TestTopFits(t *testing.T) {
	f := newFakeHost(t)
	top := topOf(f)
	golden.Check(t, "operate/top-wide.txt", strings.Join(screenText(t, top.picture(160, 40)), "\n")+"\n")
	golden.Check(t, "operate/top-narrow.txt", strings.Join(screenText(t, top.picture(60, 40)), "\n")+"\n")
	for i := range 100 {
		top.components = append(top.components, admin.Component{ID: fmt.Sprintf("many/c%02d", i), State: "running", Engine: "wazero"})
	}
	for _, size := range [][2]int{{200, 50}, {80, 24}, {79, 10}, {20, 4}, {1, 1}} {
		lines := screenText(t, top.picture(size[0], size[1]))
		if len(lines) != size[1] {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, line := range lines {
			if utf8.RuneCountInString(line) > size[0] {
				t.Errorf("%v: a line has %q", size, line)
			}
		}
	}
	top.press('n')
	top.first = 1000 // beyond the end
	lines := screenText(t, top.picture(120, 10))
	if !strings.HasPrefix(lines[8], "shop/orders") || !strings.HasPrefix(lines[9], "97 to 103 of 103, arrows move; q ends") {
		t.Errorf("the last components:\n%s", strings.Join(lines, "\n"))
	}
	for _, key := range "\x1b[A" {
		top.press(byte(key))
	}
	if lines := screenText(t, top.picture(120, 10)); !strings.HasPrefix(lines[9], "96 to 102 of 103") {
		t.Errorf("one up:\n%s", strings.Join(lines, "\n"))
	}
	top.failure = errors.New("no host answers\x1b[2J")
	if lines := screenText(t, top.picture(120, 10)); !strings.HasPrefix(lines[9], `old: "no host answers\x1b[2J"`) {
		t.Errorf("a host that does not answer:\n%s", strings.Join(lines, "\n"))
	}
}

// TestStoredColumn: ps and top have a column for durable mailboxes if there is one.
func TestStoredColumn(t *testing.T) {
	f := newFakeHost(t)
	f.components[1].Durable, f.components[1].Stored = true, 1234
	golden.Check(t, "operate/ps-stored.txt", componentTable(f.components).String())
	top := topOf(f)
	golden.Check(t, "operate/top-stored.txt", strings.Join(screenText(t, top.picture(160, 40)), "\n")+"\n")
	top.press('w')
	for width, want := range map[int]string{72: "COMPONENT    STATE              RATE  WAITING*  STORED    MEMORY", 52: "COMPONENT    STATE              RATE  WAITING*"} {
		if lines := screenText(t, top.picture(width, 40)); lines[1] != want {
			t.Errorf("%d columns: got %q, want %q", width, lines[1], want)
		}
	}
}

// TestTopSorts: each key sorts by its column, and marks that.
func TestTopSorts(t *testing.T) {
	f := newFakeHost(t)
	top := topOf(f)
	for key, want := range map[byte][2]string{
		'r': {"shop/echo", "RATE*"}, 'w': {"shop/echo", "WAITING*"}, 'm': {"shop/echo", "MEMORY*"},
		'e': {"shop/orders", "ERRORS*"}, 's': {"shop/orders", "RESTARTS*"}, 'n': {"shop/audit", "COMPONENT*"},
	} {
		if top.press(key) {
			t.Errorf("%c ends top", key)
		}
		lines := screenText(t, top.picture(160, 20))
		if !strings.HasPrefix(lines[2], want[0]) || !strings.Contains(lines[1], want[1]) {
			t.Errorf("%c: got %q and %q, want %q", key, lines[1], lines[2], want)
		}
	}
	for _, key := range []byte{'q', 'Q', 3} {
		if !top.press(key) {
			t.Errorf("%q does not end top", key)
		}
	}
}

// TestTopDrawsAnew: after each interval and each key, until q; a host that does not answer leaves
// the last state.
func TestTopDrawsAnew(t *testing.T) {
	f := newFakeHost(t)
	ctx, o := t.Context(), &operation{program: &program{}, client: admin.NewClient(f.socket, "")}
	defer o.client.Close()
	top := &top{interval: time.Second, sort: "rate"}
	if top.look(ctx, o); top.failure != nil || len(top.components) != 3 || top.host.Name != "shop.yaml" {
		t.Errorf("got %+v", top)
	}
	o.client = admin.NewClient(f.socket+".none", "")
	if top.look(ctx, o); top.failure == nil || len(top.components) != 3 {
		t.Errorf("without a host: %+v", top)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // a look ends at once, so that time alone passes
		keys, draws := make(chan byte), 0
		go func() {
			time.Sleep(3500 * time.Millisecond)
			keys <- 'm'
			keys <- 'q'
		}()
		if err := top.loop(t.Context(), &operation{program: &program{}, client: o.client}, keys, func() error { draws++; return nil }); err != nil || draws != 5 {
			t.Errorf("%d pictures and %v, want 5", draws, err)
		}
		if err := top.loop(ctx, o, keys, func() error { return nil }); err != nil {
			t.Errorf("an interrupt: %v", err)
		}
	})
}

// TestTopWithoutTerminal: it says which command is for scripts.
func TestTopWithoutTerminal(t *testing.T) {
	f := newFakeHost(t)
	if got := runArgs("top", f.file); got.code != exitUsage || !strings.Contains(got.stderr, "airhost ps") || got.stdout != "" {
		t.Errorf("got %+v", got)
	}
}

// TestTopStored: components are sorted by the messages in their durable mailboxes.
func TestTopStored(t *testing.T) {
	top := &top{interval: time.Second, sort: "rate", host: &admin.Snapshot{}}
	for i, stored := range []int{3, 0, 7} {
		top.components = append(top.components, admin.Component{ID: fmt.Sprintf("c/%d", i), Stored: stored, Durable: stored > 0})
	}
	top.press('d')
	var ids []string
	for _, line := range screenText(t, top.picture(160, 20)) {
		if id, _, _ := strings.Cut(line, " "); strings.HasPrefix(id, "c/") {
			ids = append(ids, id)
		}
	}
	if want := "c/2 c/0 c/1"; strings.Join(ids, " ") != want {
		t.Errorf("the order is %v, want %s", ids, want)
	}
}
