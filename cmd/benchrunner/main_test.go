package main

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/airhost/airhost/internal/bench/result"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"benchrunner": main})
}

// UPDATE=1 go test writes the expected texts anew.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE") != "",
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
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var stdout, stderr strings.Builder
	args := []string{"run", "--engine", "native", "--pattern", "call", "--samples", "1000000", "--warmup", "1ms", "--seed", "1"}
	if code := run(ctx, args, &stdout, &stderr); code != exitFailed || stderr.Len() == 0 {
		t.Errorf("got exit code %d and %q, want %d and a reason", code, stderr.String(), exitFailed)
	}
}
