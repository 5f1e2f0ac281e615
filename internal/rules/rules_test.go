package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/airhost/airhost"

// pkg is what go list says of a package.
type pkg struct {
	ImportPath   string
	Name         string
	Doc          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
}

// local is the package's path in the project.
func (p pkg) local() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, errorText(err))
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func errorText(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(exit.Stderr)
	}
	return ""
}

// rule says what the packages below a path may import of the project and of
// others; the first rule that fits a package holds.
type rule struct {
	of     string   // the package, or with a '/' at the end all below it
	may    []string // the same, of the project
	others []string // prefixes of modules beside the standard library
	why    string
}

var fx = "go.uber.org/fx"

var importRules = []rule{
	{"core", nil, nil, "the vocabulary must stay light: everything imports it"},
	{"core/enginetest", []string{"core"}, nil, "every engine's tests import the suite, those of other modules too"},
	{"core/brokertest", []string{"core"}, nil, "as enginetest"},
	{"core/trackertest", []string{"core"}, nil, "as enginetest"},
	{"core/host", []string{"core"}, []string{fx}, "the host knows its parts by their interfaces only"},
	{"guest", nil, nil, "guests must not carry the host along"},
	{"backends/native", []string{"core", "internal/", "guest"}, []string{fx}, "its components are the SDK's"},
	{"backends/wazero", []string{"core", "internal/"}, []string{fx, "github.com/tetratelabs/wazero"}, "one vendor an engine"},
	{"backends/wasmtime", []string{"core", "internal/"}, []string{fx, "github.com/bytecodealliance/wasmtime-go/v39"}, "one vendor an engine"},
	{"backends/process", []string{"core", "internal/", "proto/"}, []string{fx, "google.golang.org/grpc"}, "what it has of go-plugin is internal/spawn's"},
	{"plugin", []string{"core", "guest", "internal/", "proto/"}, []string{"github.com/hashicorp/go-", "google.golang.org/grpc"}, "plug-ins must not carry the host along"},
	{"brokers/plugin", []string{"core", "internal/", "proto/"}, []string{fx, "google.golang.org/grpc", "google.golang.org/protobuf"}, "it talks to a process"},
	{"trackers/plugin", []string{"core", "internal/", "proto/"}, []string{fx, "google.golang.org/grpc"}, "it talks to a process"},
	{"brokers/", []string{"core", "internal/"}, []string{fx}, "implementations do not know each other"},
	{"trackers/internal/", []string{"core"}, []string{"pgregory.net/rapid"}, "what the trackers' tests share"},
	{"trackers/", []string{"core", "internal/"}, []string{fx}, "implementations do not know each other"},
	{"examples/", []string{"core", "core/host", "guest", "plugin", "backends/", "brokers/", "trackers/"}, []string{fx}, "examples show what users can import: nothing internal"},
}

// TestImports: see docs of importRules; packages that no rule names (commands,
// internal ones) may import what they like.
func TestImports(t *testing.T) {
	for _, p := range list(t) {
		i := slices.IndexFunc(importRules, func(r rule) bool { return fits(r.of, p.local()) })
		if i < 0 {
			continue
		}
		for _, imported := range p.Imports {
			if r := importRules[i]; !r.allows(imported, p) {
				t.Errorf("%s imports %s, which it may not: %s", p.local(), imported, r.why)
			}
		}
	}
}

func (r rule) allows(imported string, by pkg) bool {
	if path, ours := strings.CutPrefix(imported, module+"/"); ours {
		return sameTree(path, by.local()) || slices.ContainsFunc(r.may, func(m string) bool { return fits(m, path) })
	}
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") || slices.ContainsFunc(r.others, func(o string) bool { return strings.HasPrefix(imported, o) })
}

// sameTree: an implementation's parts may import each other.
func sameTree(a, b string) bool {
	return b != "core" && strings.HasPrefix(a, b+"/") || a != "core" && strings.HasPrefix(b, a+"/")
}

func fits(pattern, path string) bool {
	if below, all := strings.CutSuffix(pattern, "/"); all {
		return strings.HasPrefix(path, below+"/")
	}
	return pattern == path
}

// TestImportRuleFails: the rule must be able to find what it forbids.
func TestImportRuleFails(t *testing.T) {
	for by, imported := range map[string]string{
		"core":            module + "/core/host",
		"core/host":       module + "/brokers/inproc",
		"core/enginetest": fx,
		"guest":           module + "/core",
		"brokers/inproc":  module + "/brokers/channel",
		"backends/wazero": module + "/core/host",
		"trackers/slab":   "github.com/spf13/cobra",
		"examples/echo":   module + "/internal/abi",
	} {
		i := slices.IndexFunc(importRules, func(r rule) bool { return fits(r.of, by) })
		if i < 0 || importRules[i].allows(imported, pkg{ImportPath: module + "/" + by}) {
			t.Errorf("no rule keeps %s from importing %s", by, imported)
		}
	}
}

// TestPackageDocs: each package says once what it is for.
func TestPackageDocs(t *testing.T) {
	for _, p := range list(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		switch {
		case p.Doc == "":
			t.Errorf("%s has no package comment", p.local())
		case p.Name != "main" && !strings.HasPrefix(p.Doc, "Package "+p.Name+" "):
			t.Errorf("%s: its comment begins %q, want %q", p.local(), p.Doc, "Package "+p.Name+" …")
		}
	}
}
