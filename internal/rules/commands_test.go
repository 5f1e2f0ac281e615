package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	goTestPattern = regexp.MustCompile("\\bgo test((?: +[^\\s`#)]+)+)")
	makeCommand   = regexp.MustCompile("(?m)(?:`|^    |&& )make +([a-z ]+)")
	targetPattern = regexp.MustCompile(`(?m)^([a-z]+):`)
	testPattern   = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz|Example)\w*)\(`)
)

// TestDocumentedCommands: the targets of make, and the tests and benchmarks with their packages, that
// documents tell the reader to run are there. TestSessions runs the commands that take no time.
func TestDocumentedCommands(t *testing.T) {
	makefile := string(contents(t, "Makefile"))
	found := 0
	for _, doc := range written(t, "*.md") {
		text := string(contents(t, doc))
		found += len(goTestPattern.FindAllString(text, -1))
		for _, wrong := range append(wrongTests(text, testsOf), wrongTargets(text, makefile)...) {
			t.Errorf("%s: %s", doc, wrong)
		}
	}
	if found < 20 {
		t.Errorf("documents have %d commands with go test, want at least 20", found)
	}
}

// testsOf returns the names of the tests and benchmarks in a folder, or nil if it has none.
func testsOf(folder string) (names []string) {
	files, _ := filepath.Glob(filepath.Join(root, folder, "*_test.go")) // the pattern is good
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			return nil
		}
		for _, name := range testPattern.FindAllStringSubmatch(string(code), -1) {
			names = append(names, name[1])
		}
	}
	return names
}

// wrongTargets returns those of make that a Makefile does not have.
func wrongTargets(text, makefile string) (wrong []string) {
	has := map[string]bool{}
	for _, target := range targetPattern.FindAllStringSubmatch(makefile, -1) {
		has[target[1]] = true
	}
	for _, command := range makeCommand.FindAllStringSubmatch(text, -1) {
		for _, target := range strings.Fields(command[1]) {
			if !has[target] {
				wrong = append(wrong, "make has no target "+target)
			}
		}
	}
	return wrong
}

// wrongTests returns the commands that test nothing: since a package has no tests, or none of the name.
func wrongTests(text string, tests func(folder string) []string) (wrong []string) {
	for _, command := range goTestPattern.FindAllStringSubmatch(text, -1) {
		words := strings.Fields(strings.NewReplacer("'", "", "=", " ").Replace(command[1]))
		var folders, patterns []string
		for i, word := range words {
			switch {
			case strings.HasPrefix(word, "./") && word != "./...":
				folders = append(folders, word)
			case (word == "-run" || word == "-bench") && i+1 < len(words):
				patterns = append(patterns, strings.Split(words[i+1], "|")...)
			}
		}
		for _, folder := range folders {
			wrong = append(wrong, missing(folder, tests(folder), patterns)...)
		}
	}
	return wrong
}

// missing returns the patterns that match none of the tests in a folder. Two of them match none by intent.
func missing(folder string, names, patterns []string) (wrong []string) {
	if len(names) == 0 {
		return []string{folder + " has no tests"}
	}
	for _, pattern := range patterns {
		first, _, _ := strings.Cut(pattern, "/")
		matches, err := regexp.MatchString(`(?m)`+first, strings.Join(names, "\n"))
		if pattern != "xxx" && pattern != "NONE" && (err != nil || !matches) {
			wrong = append(wrong, fmt.Sprintf("no test of %s matches %s", folder, pattern))
		}
	}
	return wrong
}

func TestWrongCommands(t *testing.T) {
	tests := func(folder string) []string {
		return map[string][]string{"./a": {"TestOne", "BenchmarkTwo"}}[folder]
	}
	for text, want := range map[string]string{
		"`go test -run xxx -bench=Two ./a` and go test ./...":  "",
		"    go test ./a -run 'TestOne|Two' -v   # all of ./b": "",
		"`go test ./b -run One`":                               "./b has no tests",
		"(`go test ./a -run 'One|Three'`)":                     "no test of ./a matches Three",
		"`make build test` and make sure":                      "",
		"\n    make build tests   # many":                      "make has no target tests",
	} {
		got := strings.Join(append(wrongTests(text, tests), wrongTargets(text, "build: a\ntest:\n")...), "\n")
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

var (
	measurement = regexp.MustCompile("(?m)(?:`|^ {4}|^\\$ )(?:\\w+=\\S+ )*(?:bin/)?benchrunner ([a-z]+)([^`#\n]*)")
	flagPattern = regexp.MustCompile(` (--?[a-z][a-z-]*)`)
)

// TestDocumentedMeasurements: benchrunner has the commands and the flags that documents show.
func TestDocumentedMeasurements(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	if out, err := shell("make --no-print-directory build"); err != nil {
		t.Fatalf("make: %v\n%s", err, out)
	}
	help, found := map[string]string{}, 0
	for _, doc := range written(t, "*.md", ":!CHANGELOG.md") {
		for _, m := range measurement.FindAllStringSubmatch(string(contents(t, doc)), -1) {
			found++
			text, ok := help[m[1]]
			if !ok {
				text, _ = shell("benchrunner " + m[1] + " --help") // without the command the text is an error
				help[m[1]] = text
			}
			if !strings.Contains(text, "\nUsage:\n  benchrunner "+m[1]) {
				t.Errorf("%s: benchrunner has no command %s", doc, m[1])
			}
			for _, flag := range flagPattern.FindAllStringSubmatch(m[2], -1) {
				if !regexp.MustCompile(`(?m)^ +(-\w, )?` + flag[1] + `\b`).MatchString(text) {
					t.Errorf("%s: benchrunner %s has no flag %s", doc, m[1], flag[1])
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("documents have %d commands of benchrunner, want at least 10", found)
	}
}
