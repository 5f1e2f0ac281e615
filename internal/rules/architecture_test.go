package rules

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	architecture = "../../docs/architecture.md"
	// hops is how many messages the program in testdata/hops sends: so many that
	// the statements of a clock's ticks run less often.
	hops = 20_000
	// hopsLeftOut is the program's exit code for an engine that is not in this build.
	hopsLeftOut = 3
)

// TestWayOfAMessage: the page names the files that a message passes, no more and no
// less, and how many locks it takes. With -v it also says so for Wasmtime: its
// exchanges pass most files once for many messages.
func TestWayOfAMessage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the project for coverage")
	}
	program := filepath.Join(t.TempDir(), "hops")
	build := exec.Command("go", "build", "-cover", "-covermode=atomic", "-coverpkg="+module+"/...", "-o", program, "./testdata/hops")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	for _, engine := range []string{"wazero", "native", "wasmtime"} {
		for _, pattern := range []string{"fire-and-forget", "request-response", "large fire-and-forget", "large request-response"} {
			if engine != "wazero" && strings.HasPrefix(pattern, "large ") {
				continue // the same without WebAssembly
			}
			t.Run(engine+" "+pattern, func(t *testing.T) {
				got := passed(t, program, engine, pattern)
				t.Logf("%.2f locks a message, in %v", got.locks(t), got.filesWithLocks(t))
				if engine == "wasmtime" {
					return
				}
				want := onPage(t, engine+" "+pattern)
				if files := got.files(); !slices.Equal(files, want.files) {
					t.Errorf("%s names these files for %s on %s:\n  %s\na message passes these:\n  %s",
						architecture, pattern, engine, strings.Join(want.files, "\n  "), strings.Join(files, "\n  "))
				}
				if locks := fmt.Sprintf("%.0f", got.locks(t)); locks != want.locks {
					t.Errorf("%s says %s locks for %s on %s, a message takes %s", architecture, want.locks, pattern, engine, locks)
				}
			})
		}
	}
}

// way is a message's way as the page describes it.
type way struct {
	files []string // sorted
	locks string
}

var filePattern = regexp.MustCompile(`[a-z_]+(/[a-z_]+)*/[a-z_]+\.go`)

// onPage reads the block below <!-- way: NAME, N locks -->.
func onPage(t *testing.T, name string) way {
	t.Helper()
	m := regexp.MustCompile("(?s)<!-- way: " + name + ", ([0-9]+) locks -->\n```\n(.*?)```").FindStringSubmatch(page(t))
	if m == nil {
		t.Fatalf("%s has no way of a message for %s", architecture, name)
	}
	files := filePattern.FindAllString(m[2], -1)
	slices.Sort(files)
	return way{slices.Compact(files), m[1]}
}

func page(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// run is how often each block of statements ran, by file.
type run map[string][]statements

type statements struct {
	from, to position
	times    int
}

type position struct{ line, column int }

func (p position) before(other position) bool {
	return p.line < other.line || p.line == other.line && p.column < other.column
}

var profilePattern = regexp.MustCompile(`(?m)^` + module + `/(\S+):(\d+)\.(\d+),(\d+)\.(\d+) \d+ (\d+)$`)

// passed runs the program and reads its coverage.
func passed(t *testing.T, program, engine, pattern string) run {
	t.Helper()
	directory := t.TempDir()
	cmd := exec.Command(program, engine, pattern, strconv.Itoa(hops), directory)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == hopsLeftOut {
		t.Skipf("this build has no %s", engine)
	}
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	text := filepath.Join(directory, "profile.txt")
	convert := exec.Command("go", "tool", "covdata", "textfmt", "-i="+directory, "-o="+text)
	if out, err := convert.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", convert, err, out)
	}
	profile, err := os.ReadFile(text)
	if err != nil {
		t.Fatal(err)
	}
	r := make(run)
	for _, m := range profilePattern.FindAllStringSubmatch(string(profile), -1) {
		n := make([]int, 5)
		for i := range n {
			if n[i], err = strconv.Atoi(m[i+2]); err != nil {
				t.Fatal(err)
			}
		}
		r[m[1]] = append(r[m[1]], statements{position{n[0], n[1]}, position{n[2], n[3]}, n[4]})
	}
	return r
}

// files returns the files of which a message passes at least one statement, sorted.
func (r run) files() []string {
	var files []string
	for file, blocks := range r {
		if slices.ContainsFunc(blocks, func(b statements) bool { return b.times >= hops }) {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	return files
}

// locks returns how many locks a message takes.
func (r run) locks(t *testing.T) float64 {
	t.Helper()
	n := 0.0
	for _, here := range r.filesWithLocks(t) {
		n += here
	}
	return n
}

// filesWithLocks returns how many locks a message takes in each file.
func (r run) filesWithLocks(t *testing.T) map[string]float64 {
	t.Helper()
	perFile := make(map[string]float64)
	for file, blocks := range r {
		if !slices.ContainsFunc(blocks, func(b statements) bool { return b.times > 0 }) {
			continue
		}
		n := 0
		for _, at := range lockCalls(t, filepath.Join("../..", file)) {
			n += times(blocks, at)
		}
		if n*100 >= hops {
			perFile[file] = float64(n*100/hops) / 100
		}
	}
	return perFile
}

// times returns how often the statement at a position ran: as often as the block
// around it that begins last.
func times(blocks []statements, at position) int {
	var around statements
	for _, b := range blocks {
		if !at.before(b.from) && at.before(b.to) && around.from.before(b.from) {
			around = b
		}
	}
	return around.times
}

// lockCalls returns the places of the calls of Lock and RLock in a file.
func lockCalls(t *testing.T, path string) (calls []position) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if ok && (method.Sel.Name == "Lock" || method.Sel.Name == "RLock") {
			p := files.Position(call.Pos())
			calls = append(calls, position{p.Line, p.Column})
		}
		return true
	})
	return calls
}

// TestStates: the page's table of a component's states is the code's.
func TestStates(t *testing.T) {
	const path = "../../core/host/state.go"
	want := transitions(t, path)
	_, section, found := strings.Cut(page(t), "<!-- states -->")
	if !found {
		t.Fatalf("%s has no table of states", architecture)
	}
	section, _, _ = strings.Cut(section, "\n\n")
	got := make(map[string][]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|.*\\|([^|]*)\\|$").FindAllStringSubmatch(section, -1) {
		got[row[1]] = []string{}
		for _, next := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(row[2], -1) {
			got[row[1]] = append(got[row[1]], next[1])
		}
		slices.Sort(got[row[1]])
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%s has the states and their next ones\n%v\nbut %s has\n%v", architecture, got, path, want)
	}
}

// transitions reads the composite literal of the variable transitions: from each
// state to those that may follow, sorted.
func transitions(t *testing.T, path string) map[string][]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the states are not in one table yet")
	} else if err != nil {
		t.Fatal(err)
	}
	table := make(map[string][]string)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || spec.Names[0].Name != "transitions" {
			return true
		}
		for _, row := range spec.Values[0].(*ast.CompositeLit).Elts {
			row := row.(*ast.KeyValueExpr)
			next := []string{}
			for _, state := range row.Value.(*ast.CompositeLit).Elts {
				next = append(next, state.(*ast.Ident).Name)
			}
			slices.Sort(next)
			table[row.Key.(*ast.Ident).Name] = next
		}
		return false
	})
	if len(table) == 0 {
		t.Fatalf("%s has no table of transitions", path)
	}
	return table
}

// recipes are how many files each of the page's recipes may name at most.
var recipes = map[string]int{
	"An engine": 7, "A broker": 4, "A tracker": 4, "A configuration key": 4,
	"A host service": 15, "A command": 4, "A benchmark mode": 4,
}

// TestRecipes: the files that a recipe names are there, or the folder in which a new
// one goes, and they are not more than the change should take.
func TestRecipes(t *testing.T) {
	_, section, found := strings.Cut(page(t), "\n## Recipes\n")
	if !found {
		t.Fatalf("%s has no recipes", architecture)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	found = false
	named := make(map[string]bool)
	for _, recipe := range strings.Split(section, "\n### ")[1:] {
		title, text, _ := strings.Cut(recipe, "\n")
		named[title] = true
		paths := recipePaths(text)
		if most := recipes[title]; len(paths) == 0 || len(paths) > most {
			t.Errorf("%s: the recipe %q names %d files, at most %d: %v", architecture, title, len(paths), most, paths)
		}
		for _, path := range paths {
			there, _, _ := strings.Cut(path, "NEW")
			if _, err := os.Stat(filepath.Join("../..", filepath.Dir(there+"x"))); err != nil && there != path {
				t.Errorf("%s: the recipe %q puts a file where no folder is: %v", architecture, title, err)
			}
			if _, err := os.Stat(filepath.Join("../..", path)); err != nil && there == path {
				t.Errorf("%s: the recipe %q names a file that is not there: %v", architecture, title, err)
			}
		}
	}
	for title := range recipes {
		if !named[title] {
			t.Errorf("%s has no recipe %q", architecture, title)
		}
	}
}

// recipeRemarks fits the beginning of the remarks after a recipe's steps.
var recipeRemarks = regexp.MustCompile(`\n\n(Documents|Only|Besides)\b`)

// recipePaths returns the files and folders that the numbered steps of a recipe name.
func recipePaths(recipe string) (paths []string) {
	steps := recipeRemarks.Split(recipe, 2)[0]
	for _, m := range regexp.MustCompile("`([\\w.-]+(?:/[\\w.-]+)*/?)`").FindAllStringSubmatch(steps, -1) {
		if strings.Contains(m[1], "/") || strings.HasSuffix(m[1], ".yaml") {
			paths = append(paths, m[1])
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
