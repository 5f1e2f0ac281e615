//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

const trapsVariable = "AIRHOST_TEST_TRAPS"

// TestTrapsDoNotDependOnTheEnvironment: variables for Rust and Wasmtime add nothing to
// the text of a trap, and Go sees them unchanged.
func TestTrapsDoNotDependOnTheEnvironment(t *testing.T) {
	if os.Getenv(trapsVariable) != "" {
		printTraps(t)
		return
	}
	want := trapsWith(t)
	for _, variable := range []string{"RUST_BACKTRACE=1", "RUST_BACKTRACE=full", "RUST_LIB_BACKTRACE=1", "WASMTIME_BACKTRACE_DETAILS=1"} {
		got := trapsWith(t, variable)
		if text, _, _ := strings.Cut(got, "environment: "); text != want[:strings.Index(want, "environment: ")] {
			t.Errorf("with %s:\n%s\nwithout:\n%s", variable, got, want)
		}
		if !strings.Contains(got, "environment: "+variable) {
			t.Errorf("with %s: Go sees\n%s", variable, got)
		}
		for _, leak := range []string{"Stack backtrace", "stack backtrace", ".rs:", "libwasmtime"} {
			if strings.Contains(got, leak) {
				t.Errorf("with %s: got %q in\n%s", variable, leak, got)
			}
		}
	}
}

func trapsWith(t *testing.T, variables ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestTrapsDoNotDependOnTheEnvironment$", "-test.v")
	cmd.Env = append([]string{trapsVariable + "=1"}, variables...)
	output, err := cmd.CombinedOutput()
	_, printed, found := strings.Cut(string(output), "traps: ")
	if err != nil || !found {
		t.Fatalf("%v\n%s", err, output)
	}
	printed, _, _ = strings.Cut(printed, "--- PASS")
	return printed
}

func printTraps(t *testing.T) {
	fmt.Print("traps: ")
	for _, kind := range []core.TrapKind{core.TrapFault, core.TrapStack} {
		message := map[core.TrapKind]string{core.TrapFault: "x", core.TrapStack: "z"}[kind]
		in := open(t, actor(), sink{}, core.Limits{HandlerTime: time.Minute})
		trap := trapOf(t, in.HandleMessage(self, []byte(message), nil), kind)
		fmt.Printf("%s\n%s\n", trap.Text, trap.Details)
	}
	for _, variable := range os.Environ() {
		if strings.Contains(variable, "BACKTRACE") {
			fmt.Println("environment: " + variable)
		}
	}
	fmt.Println("environment: end")
}
