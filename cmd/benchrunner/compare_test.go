package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/airhost/airhost/internal/bench/data/compare"
	"github.com/airhost/airhost/internal/bench/data/result"
)

// otherBuild is a benchrunner that serves any cell without measuring it: an operation
// takes OPERATION nanoseconds, and the first one runs the code FIRST.
const otherBuild = `package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"syscall"
)

var first sync.Once

func interrupt() { _ = syscall.Kill(os.Getppid(), syscall.SIGINT) }

func main() {
	_ = interrupt
	fmt.Println("{\"protocol\": 1}")
	for requests := json.NewDecoder(os.Stdin); ; {
		var request struct {
			ID uint64
			Do string
			N  int
		}
		if requests.Decode(&request) != nil {
			return
		}
		answer := map[string]any{"id": request.ID}
		switch request.Do {
		case "open":
			answer["subject"], answer["name"], answer["kind"] = 1, "a cell", "time"
		case "run":
			first.Do(func() { FIRST })
			answer["elapsed_ns"] = request.N * OPERATION
		}
		if json.NewEncoder(os.Stdout).Encode(answer) != nil {
			return
		}
	}
}
`

// build is otherBuild with this time of an operation, and this code for the first
// one.
func build(operation, first string) string {
	return strings.NewReplacer("OPERATION", operation, "FIRST", first).Replace(otherBuild)
}

// repository is a git repository with one revision of a benchrunner.
func repository(t *testing.T, program string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module other\n\ngo 1.26\n", "cmd/benchrunner/main.go": program} {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	git(t, folder, "init", "--quiet")
	git(t, folder, "add", ".")
	git(t, folder, "-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false", "commit", "--quiet", "-m", "base")
	return folder
}

func git(t *testing.T, folder string, args ...string) string {
	t.Helper()
	command := exec.Command("git", args...)
	command.Dir = folder
	text, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v: %s", args[0], err, text)
	}
	return strings.TrimSpace(string(text))
}

// compareAgainst compares this program with the repository's HEAD, and checks that it
// leaves nothing of the build. The shortest session is enough for builds that differ
// by orders of magnitude.
func compareAgainst(t *testing.T, folder string, more ...string) (code int, printed string) {
	t.Helper()
	temporary := t.TempDir()
	command := exec.Command("benchrunner", append([]string{
		"compare", "--against", "HEAD", "--engine", "native", "--pattern", "call",
		"--samples", fmt.Sprint(compare.Starts), "--sample-time", "0", "--sample-ops", "50", "--warmup", "0", "--output", "out",
	}, more...)...)
	// Under the race detector each process would sleep for a second at its end.
	command.Dir, command.Env = folder, append(os.Environ(), "TMPDIR="+temporary, "GORACE=atexit_sleep_ms=0")
	text, err := command.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("%v, %v are left in the folder for temporary files", left, err)
	}
	if worktrees := git(t, folder, "worktree", "list"); strings.Contains(worktrees, "\n") {
		t.Errorf("worktrees are left:\n%s", worktrees)
	}
	return command.ProcessState.ExitCode(), string(text)
}

func TestCompareAgainstFasterBuild(t *testing.T) {
	folder := repository(t, build("1", ""))
	code, printed := compareAgainst(t, folder)
	if code != 1 || !strings.Contains(printed, "<0.001  slower") || !strings.Contains(printed, "benchrunner: 1 worse of 1 cell") {
		t.Errorf("got exit code %d, want 1 and a cell that is slower:\n%s", code, printed)
	}
	for _, name := range []string{"base", "head", "base-again", "head-again"} {
		file, err := result.ReadFile(filepath.Join(folder, "out", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(file.Cells[0].Samples); n != compare.Starts || file.Cut {
			t.Errorf("%s has %d samples, want %d", name, n, compare.Starts)
		}
		if commit := git(t, folder, "rev-parse", "HEAD"); (file.Environment.Commit == commit) != strings.HasPrefix(name, "base") {
			t.Errorf("%s is of commit %s, and base was %s", name, file.Environment.Commit, commit)
		}
	}
	compared := exec.Command("benchrunner", "compare", "out/base.json", "out/head.json")
	compared.Dir = folder
	if text, err := compared.CombinedOutput(); err == nil || !strings.Contains(string(text), "signed-rank test within rounds") {
		t.Errorf("the files that were written, compared: got %v, want the same result:\n%s", err, text)
	}
}

func TestCompareAgainstSlowerBuild(t *testing.T) {
	code, printed := compareAgainst(t, repository(t, build("1_000_000_000", "")), "--confirm=false")
	if code != 0 || !strings.Contains(printed, "<0.001  faster") {
		t.Errorf("got exit code %d, want 0 and a cell that is faster:\n%s", code, printed)
	}
}

func TestCompareInterrupted(t *testing.T) {
	folder := repository(t, build("1", "interrupt()"))
	code, printed := compareAgainst(t, folder)
	if code != 2 || !strings.Contains(printed, "benchrunner: the session was cut short: ") {
		t.Errorf("got exit code %d, want 2, and the reason:\n%s", code, printed)
	}
	file, err := result.ReadFile(filepath.Join(folder, "out", "base.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !file.Cut {
		t.Error("the results do not say that they were cut short")
	}
}

func TestCompareAgainstWhatCannotBeMeasured(t *testing.T) {
	for name, c := range map[string]struct{ program, says string }{
		"does not compile":  {"package main\n\nfunc main() { nonsense() }\n", "building revision \"HEAD\": go build: exit status 1: # other/cmd/benchrunner\n"},
		"is from before it": {"package main\n\nfunc main() { println(`unknown command`) }\n", "if it is too old to, run each of the two by itself"},
	} {
		if code, printed := compareAgainst(t, repository(t, c.program)); code != 2 || !strings.Contains(printed, c.says) {
			t.Errorf("base %s: got exit code %d, want 2, and %q:\n%s", name, code, c.says, printed)
		}
	}
	folder := repository(t, build("1", ""))
	if code, printed := compareAgainst(t, folder, "--against", "nowhere"); code != 2 || !strings.Contains(printed, `finding revision "nowhere"`) {
		t.Errorf("no such revision: got exit code %d, want 2:\n%s", code, printed)
	}
}

// The recipes of docs/ci.md.

func TestCompareScript(t *testing.T) {
	scripts, err := filepath.Abs("../../scripts")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"compare.sh", "compare-power.sh"} {
		if text, err := exec.Command("sh", "-n", filepath.Join(scripts, name)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	folder := repository(t, build("1", ""))
	command := exec.Command("sh", filepath.Join(scripts, "compare.sh"), "HEAD", "--engine", "native", "--pattern", "call",
		"--samples", fmt.Sprint(compare.Starts), "--sample-time", "0", "--sample-ops", "50", "--warmup", "0", "--confirm=false")
	command.Dir, command.Env = folder, append(os.Environ(), "BENCHRUNNER=benchrunner", "GORACE=atexit_sleep_ms=0")
	text, _ := command.CombinedOutput()
	if code := command.ProcessState.ExitCode(); code != 1 || !strings.Contains(string(text), "<0.001  slower") {
		t.Errorf("got exit code %d, want 1 and a cell that is slower:\n%s", code, text)
	}
	for _, name := range []string{"comment.md", "comparison.json", "base.json", "head.json"} {
		if _, err := os.Stat(filepath.Join(folder, "benchmark", name)); err != nil {
			t.Errorf("compare.sh: %v", err)
		}
	}
}

func TestWorkflow(t *testing.T) {
	text, err := os.ReadFile("../../.github/workflows/benchmark.yml")
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		On struct {
			Call struct {
				Inputs map[string]struct{ Type string } `yaml:"inputs"`
			} `yaml:"workflow_call"`
		} `yaml:"on"`
		Jobs map[string]struct {
			Steps []struct {
				Uses string            `yaml:"uses"`
				Run  string            `yaml:"run"`
				Env  map[string]string `yaml:"env"`
			} `yaml:"steps"`
		} `yaml:"jobs"`
	}
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}
	for input := range workflow.On.Call.Inputs {
		if !strings.Contains(string(text), "inputs."+input) {
			t.Errorf("the input %q does nothing", input)
		}
	}
	for _, step := range workflow.Jobs["compare"].Steps {
		if strings.Contains(step.Run, "${{") {
			t.Errorf("%q: a step's script must take what comes from outside from its environment", step.Run)
		}
		if step.Run == `scripts/compare.sh "$BASE" $FLAGS` && step.Env["BASE"] != "" && step.Env["FLAGS"] != "" {
			return
		}
	}
	t.Error("no step runs scripts/compare.sh with base and flags")
}
