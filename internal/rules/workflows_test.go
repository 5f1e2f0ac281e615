package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// workflow holds the parts of a GitHub workflow that can be checked here.
type workflow struct {
	Name string
	On   any
	Jobs map[string]struct {
		RunsOn string `yaml:"runs-on"`
		Needs  any
		Uses   string
		Steps  []struct{ Uses, Run string }
	}
}

// TestWorkflows: each workflow can be read, and its make targets, scripts and other
// workflows exist.
func TestWorkflows(t *testing.T) {
	makefile := string(contents(t, "Makefile"))
	exists := func(path string) bool {
		if target, ok := strings.CutPrefix(path, "make "); ok {
			return regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:`).MatchString(makefile)
		}
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}
	for _, file := range gitFiles(t, ".github/workflows/*.yml") {
		for _, mistake := range mistakes(contents(t, file), exists) {
			t.Errorf("%s: %s", file, mistake)
		}
	}
}

var (
	makePattern   = regexp.MustCompile(`\bmake ([a-z]+)`)
	scriptPattern = regexp.MustCompile(`(?m)(?:^|\s)((?:scripts|\.ci)/[\w./-]+)`)
	actionPattern = regexp.MustCompile(`^[\w-]+/[\w-]+@v\d+$`)
)

// mistakes returns the mistakes in a workflow; exists tells whether there is a file,
// or "make TARGET".
func mistakes(content []byte, exists func(string) bool) (found []string) {
	var w workflow
	if err := yaml.Unmarshal(content, &w); err != nil {
		return []string{err.Error()}
	}
	if w.Name == "" || w.On == nil || len(w.Jobs) == 0 {
		return []string{"it needs a name, events and jobs"}
	}
	want := func(thing string) {
		if !exists(thing) {
			found = append(found, thing+" does not exist")
		}
	}
	for name, job := range w.Jobs {
		if local, ok := strings.CutPrefix(job.Uses, "./"); ok {
			want(local)
		} else if job.Uses != "" || job.RunsOn == "" || len(job.Steps) == 0 {
			found = append(found, "job "+name+" needs a machine and steps, or a workflow of this project")
		}
		for _, needed := range needs(job.Needs) {
			if _, ok := w.Jobs[needed]; !ok {
				found = append(found, "job "+name+" needs the job "+needed+", which does not exist")
			}
		}
		for _, step := range job.Steps {
			if (step.Uses == "") == (step.Run == "") || step.Uses != "" && !actionPattern.MatchString(step.Uses) {
				found = append(found, "job "+name+": a step needs a command, or an action with its version: "+step.Uses)
			}
			for _, m := range makePattern.FindAllStringSubmatch(step.Run, -1) {
				want("make " + m[1])
			}
			for _, m := range scriptPattern.FindAllStringSubmatch(step.Run, -1) {
				want(m[1])
			}
		}
	}
	return found
}

// needs returns the names of the jobs that a job waits for: one text, or a list.
func needs(value any) (names []string) {
	switch value := value.(type) {
	case string:
		names = append(names, value)
	case []any:
		for _, v := range value {
			names = append(names, needs(v)...)
		}
	}
	return names
}

func TestMistakesInWorkflows(t *testing.T) {
	exists := func(thing string) bool {
		return slices.Contains([]string{"make check", "scripts/a.sh", "other.yml"}, thing)
	}
	const head = "name: n\non: push\njobs:\n  a:\n"
	for content, want := range map[string]string{
		head + "    runs-on: x\n    steps: [{run: make check}, {uses: actions/checkout@v4}, {run: scripts/a.sh 1}]\n": "",
		head + "    uses: ./other.yml\n": "",
		"name: [":                        "sequence",
		"name: n\non: push\n":            "it needs a name, events and jobs",
		head + "    uses: ./gone.yml\n":  "gone.yml does not exist",
		head + "    steps: []\n":         "needs a machine and steps",
		head + "    runs-on: x\n    needs: [b]\n    steps: [{run: make check}]\n": "the job b, which does not exist",
		head + "    runs-on: x\n    steps: [{run: make gone}]\n":                  "make gone does not exist",
		head + "    runs-on: x\n    steps: [{run: 'cd x && scripts/gone.sh'}]\n":  "scripts/gone.sh does not exist",
		head + "    runs-on: x\n    steps: [{uses: actions/checkout}]\n":          "an action with its version",
	} {
		got := strings.Join(mistakes([]byte(content), exists), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s\ngives %q, want %q", content, got, want)
		}
	}
}

// TestReleaseFinishes: the notes of a release are its section of the changelog, and
// each archive has its checksum.
func TestReleaseFinishes(t *testing.T) {
	dir := t.TempDir()
	for path, content := range map[string]string{
		"scripts/release.sh":                     string(contents(t, "scripts/release.sh")),
		"CHANGELOG.md":                           "# Changelog\n\n## Unreleased\n\n- new\n\n## v0.2.0 (2026-12-01)\n\n### Added\n\n- two\n\n## v0.1.0 (unreleased)\n\n- one\n",
		"dist/airhost_v0.2.0_linux_amd64.tar.gz": "archive",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	finish := func(version string) (string, error) {
		out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "scripts/release.sh"), "finish", version).CombinedOutput()
		return string(out), err
	}
	if out, err := finish("v0.2.0"); err != nil || !strings.HasSuffix(out, "  airhost_v0.2.0_linux_amd64.tar.gz\n") || len(strings.Fields(out)[0]) != 64 {
		t.Errorf("finish v0.2.0: %v\n%s", err, out)
	}
	if notes, err := os.ReadFile(filepath.Join(dir, "dist/notes.md")); err != nil || string(notes) != "### Added\n\n- two\n" {
		t.Errorf("the notes are %q, %v", notes, err)
	}
	for _, missing := range []string{"v0.1.0", "v0.3.0"} {
		if out, err := finish(missing); err == nil || !strings.Contains(out, "no section for "+missing) {
			t.Errorf("finish %s: %v\n%s", missing, err, out)
		}
	}
	if out, err := finish("latest"); err == nil || !strings.Contains(out, "want one like v0.1.0") {
		t.Errorf("finish latest: %v\n%s", err, out)
	}
}
