package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a fenced block of a document, with the instruction above it:
//
//	<!-- file: PATH -->   it is the file, or a part of it
//	<!-- run -->          a session: what follows "$ " is run in the project's
//	                      folder, the rest is what it prints; "…" stands for
//	                      any text
type block struct {
	doc, instruction, text string
}

var blockPattern = regexp.MustCompile("(?ms)^<!-- (run|file: \\S+) -->\n```\\w*\n(.*?)^```$")

func blocks(t *testing.T) (all []block) {
	t.Helper()
	docs, err := filepath.Glob("../../*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(docs, more...) {
		content, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range blockPattern.FindAllStringSubmatch(string(content), -1) {
			all = append(all, block{filepath.Base(doc), m[1], m[2]})
		}
	}
	return all
}

// TestSnippets: what the documents quote from files stands there.
func TestSnippets(t *testing.T) {
	found := 0
	for _, b := range blocks(t) {
		path, ok := strings.CutPrefix(b.instruction, "file: ")
		if !ok {
			continue
		}
		found++
		content, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Errorf("%s quotes a file: %v", b.doc, err)
		} else if !strings.Contains(string(content), b.text) {
			t.Errorf("%s quotes from %s what does not stand there:\n%s", b.doc, path, b.text)
		}
	}
	if found == 0 {
		t.Error("no document quotes a file")
	}
}

// TestSessions: what the documents show is what the programs print.
func TestSessions(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs and the guests")
	}
	if out, err := shell("make --no-print-directory build guests"); err != nil {
		t.Fatalf("make: %v\n%s", err, out)
	}
	found := 0
	for _, b := range blocks(t) {
		if b.instruction != "run" {
			continue
		}
		for _, step := range strings.Split("\n"+b.text, "\n$ ")[1:] {
			found++
			command, want, _ := strings.Cut(step, "\n")
			got, _ := shell(command) // a session may show a failure
			if !looksLike(got, want) {
				t.Errorf("%s: %s prints\n%s\nbut the document shows\n%s", b.doc, command, got, want)
			}
		}
	}
	if found == 0 {
		t.Error("no document shows a session")
	}
}

func shell(command string) (string, error) {
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(mustGetwd(), "../../bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustGetwd() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return dir
}

// looksLike compares line by line, in order; a line "…" stands for any lines.
func looksLike(got, want string) bool {
	pattern := regexp.QuoteMeta(strings.TrimSpace(want))
	pattern = strings.ReplaceAll(pattern, "…", "(?s:.*)")
	ok, err := regexp.MatchString("^"+pattern+"$", strings.TrimSpace(got))
	return err == nil && ok
}

func TestLooksLike(t *testing.T) {
	for _, test := range []struct {
		got, want string
		is        bool
	}{
		{"a\nb\n", "a\nb", true}, {"a\nb", "a\n…", true}, {"time=5 x", "time=… x", true},
		{"a\nb", "a", false}, {"a", "b", false}, {"a.c", "abc", false}, {"abc", "a.c", false},
	} {
		if looksLike(test.got, test.want) != test.is {
			t.Errorf("looksLike(%q, %q): want %v", test.got, test.want, test.is)
		}
	}
}

var linkPattern = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// TestLinks: links within the project lead somewhere.
func TestLinks(t *testing.T) {
	docs, err := filepath.Glob("../../*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range docs {
		content, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range linkPattern.FindAllStringSubmatch(string(content), -1) {
			if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
				t.Errorf("%s links to %s: %v", filepath.Base(doc), m[1], err)
			}
		}
	}
}

// TestPromisesHaveTests: the tests that SECURITY.md names are there.
func TestPromisesHaveTests(t *testing.T) {
	content, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(content), "## Tests")
	if !found {
		t.Fatal("SECURITY.md no longer says which tests hold it")
	}
	table, _, _ = strings.Cut(table, "## Reporting")
	names := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(table, -1)
	if len(names) < 20 {
		t.Errorf("SECURITY.md names %d tests", len(names))
	}
	code, err := exec.Command("git", "grep", "-hoE", `^func Test[A-Za-z]+\(`, "--", "../../*_test.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(string(code), "func "+name[1]+"(") {
			t.Errorf("SECURITY.md names %s, which is no test", name[1])
		}
	}
}
