package rules

import (
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// block is a fenced block of a document, with the instruction above it:
//
//	<!-- file: PATH -->   it is the file, or a part of it
//	<!-- run -->          a session: the test runs the lines after "$ " in the
//	                      project's folder, and compares their output with the
//	                      other lines; "…" stands for any text
type block struct {
	doc, instruction, text string
}

var blockPattern = regexp.MustCompile("(?ms)^<!-- (run|file: \\S+) -->\n```\\w*\n(.*?)^```$")

func blocks(t *testing.T) (all []block) {
	t.Helper()
	for _, doc := range written(t, "*.md") {
		for _, m := range blockPattern.FindAllStringSubmatch(string(contents(t, doc)), -1) {
			all = append(all, block{doc, m[1], m[2]})
		}
	}
	return all
}

// TestSnippets: a block that quotes a file is a part of that file.
func TestSnippets(t *testing.T) {
	found := 0
	for _, b := range blocks(t) {
		path, ok := strings.CutPrefix(b.instruction, "file: ")
		if !ok {
			continue
		}
		found++
		if !strings.Contains(string(contents(t, path)), b.text) {
			t.Errorf("%s quotes lines that %s does not have:\n%s", b.doc, path, b.text)
		}
	}
	if found == 0 {
		t.Error("no document quotes a file")
	}
}

// tablePattern finds a table that a document quotes, below the name of its file.
var tablePattern = regexp.MustCompile(`(?m)^<!-- table: (\S+) -->\n((?:\|.*\n)*)`)

// TestTables: a table that quotes a file is all of the table there.
func TestTables(t *testing.T) {
	found := 0
	for _, doc := range written(t, "*.md") {
		for _, m := range tablePattern.FindAllStringSubmatch(string(contents(t, doc)), -1) {
			found++
			if table := regexp.MustCompile(`(?m)(?:^\|.*\n)+`).FindString(string(contents(t, m[1]))); m[2] == "" || m[2] != table {
				t.Errorf("%s has another table than %s; `make figures` replaces it", doc, m[1])
			}
		}
	}
	if found == 0 {
		t.Error("no document quotes a table")
	}
}

// TestSessions: the programs print the output that the documents show.
func TestSessions(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs and the guests")
	}
	if out, err := shell("make --no-print-directory build guests"); err != nil {
		t.Fatalf("make: %v\n%s", err, out)
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir()) // airhost compile makes a key of the user
	alone(t)
	sessions := map[string][]string{}
	for _, b := range blocks(t) {
		if b.instruction == "run" {
			sessions[b.doc] = append(sessions[b.doc], strings.Split("\n"+b.text, "\n$ ")[1:]...)
		}
	}
	if len(sessions) == 0 {
		t.Error("no document shows a session")
	}
	for _, doc := range slices.Sorted(maps.Keys(sessions)) {
		t.Run(doc, func(t *testing.T) { follow(t, sessions[doc]) })
	}
}

// alone waits, for some minutes, until no other checkout on this machine follows its documents: the servers
// of both have the same ports.
func alone(t *testing.T) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range 300 {
		if lock, err := net.Listen("tcp", "127.0.0.1:8083"); err == nil {
			t.Cleanup(func() { _ = lock.Close() })
			return
		}
		<-tick.C
	}
	t.Log("the port 8083 stays taken: if a session fails, another program may have its port, too")
}

// follow types the commands of a document, and compares their output.
func follow(t *testing.T, steps []string) {
	all := strings.Join(steps, "\n")
	for _, tool := range []string{"curl", "python3", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil && strings.Contains(all, tool) {
			t.Skip("the document uses " + tool)
		}
	}
	for _, step := range steps {
		command, want, _ := strings.Cut(step, "\n")
		got, _ := shell(command) // a session may show a failure
		if !looksLike(got, want) {
			t.Errorf("%s prints\n%s\nbut the document shows\n%s", command, got, want)
		}
	}
}

// TestMakeRun: `make run` ends with the response on a line of its own, and mentions no
// tool that it does without.
func TestMakeRun(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the programs and the guests")
	}
	out, err := shell("make --no-print-directory run")
	if err != nil || !looksLike(out, "getting the Go modules…\ndemo/relay gets a request…\n\nasked demo/echo") || strings.Contains(out, "not installed") {
		t.Errorf("make run: %v\n%s", err, out)
	}
}

func shell(command string) (string, error) {
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = root
	bin, err := filepath.Abs(filepath.Join(root, "bin"))
	if err != nil {
		return "", err
	}
	cmd.WaitDelay = 10 * time.Second // a program that goes on in the background must have its own output
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
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

// TestPromisesHaveTests: the tests that SECURITY.md and docs/architecture.md name for their
// promises are there.
func TestPromisesHaveTests(t *testing.T) {
	code, err := exec.Command("git", "grep", "-hoE", `^func Test[A-Za-z]+\(`, "--", "../../*_test.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []struct {
		file, begin, end string
		least            int // number of tests
	}{
		{"SECURITY.md", "## Tests", "## Reporting", 20},
		{"docs/architecture.md", "<!-- promises -->", "<!-- end -->", 10},
	} {
		content, err := os.ReadFile("../../" + table.file)
		if err != nil {
			t.Fatal(err)
		}
		_, text, found := strings.Cut(string(content), table.begin)
		if !found {
			t.Errorf("%s no longer says which tests hold its promises", table.file)
		}
		text, _, _ = strings.Cut(text, table.end)
		names := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(text, -1)
		if len(names) < table.least {
			t.Errorf("%s names %d tests, want at least %d", table.file, len(names), table.least)
		}
		for _, name := range names {
			if !strings.Contains(string(code), "func "+name[1]+"(") {
				t.Errorf("%s names %s, which is no test", table.file, name[1])
			}
		}
	}
}
