package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/measure/floor"
	"github.com/airhost/airhost/internal/bench/measure/remote"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"benchrunner": main, "peers": peers})
}

// peers is a program that measures other projects: one, and one that is absent.
func peers() {
	key := func(name string) cells.Key {
		return cells.Key{Engine: name, Pattern: cells.Call, PayloadBytes: 64, Mode: cells.Latency, Peer: true}
	}
	server := remote.Server{
		Offers: []remote.Offer{{Key: key("elses")}, {Key: key("absent"), Reason: "it is not here"}},
		Open: func(_ context.Context, key cells.Key, _ bool) (remote.Subject, error) {
			return floor.NewNative(key.Pattern, key.PayloadBytes), nil
		},
	}
	if err := server.Main(context.Background()); err != nil {
		os.Exit(1)
	}
}

// UPDATE=1 go test writes the expected texts anew.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or each program waits for a second at its end
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"results": checkResults,
		},
	})
}

// checkResults, `results FILE CELL...`, checks that a result file has just these
// cells, all measured.
func checkResults(ts *testscript.TestScript, _ bool, args []string) {
	file, err := result.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(file.Cells) != len(args)-1 {
		ts.Fatalf("%d cells, want %d", len(file.Cells), len(args)-1)
	}
	for i, cell := range file.Cells {
		if cell.String() != args[i+1] || cell.Status != result.Measured {
			ts.Fatalf("cell %d is %s, %s; want %s, measured", i, cell.Key, cell.Status, args[i+1])
		}
	}
	environment, err := json.Marshal(file.Environment)
	ts.Check(err)
	if place := regexp.MustCompile(`"[^"]*(^|[ =:"])/[a-z]`).Find(environment); place != nil {
		ts.Fatalf("the environment has a path: %s", place)
	}
}

func TestInterrupt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.json")
	// On a slow machine there may be no sample after so short a time.
	for patience := 200 * time.Millisecond; ; patience *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var stdout, stderr strings.Builder
		args := []string{"run", "--engine", "native", "--pattern", "call", "--samples", "1000000", "--warmup", "1ms", "--seed", "1", "-o", path}
		if code := run(ctx, args, &stdout, &stderr); code != exitFailed || stderr.Len() == 0 {
			t.Fatalf("got exit code %d and %q, want %d and a reason", code, stderr.String(), exitFailed)
		}
		file, err := result.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) && patience < time.Minute {
			continue
		}
		if err != nil || !file.Cut {
			t.Errorf("got %+v, %v; want a file that says that the run was cut", file, err)
		}
		return
	}
}

// The project's own suites are valid.
func TestProjectSuites(t *testing.T) {
	var stdout, stderr strings.Builder
	if code := run(t.Context(), []string{"list", "--suites", "../../bench.yaml"}, &stdout, &stderr); code != exitDone {
		t.Fatalf("got exit code %d: %s", code, stderr.String())
	}
	for _, name := range []string{"headline", "reference", "ci"} {
		if !regexp.MustCompile(`(?m)^` + name + ` +[1-9]\d* cells +\S`).MatchString(stdout.String()) {
			t.Errorf("there is no suite %s with cells and a purpose in\n%s", name, stdout.String())
		}
	}
}
