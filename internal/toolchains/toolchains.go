// Package toolchains builds guests of the contract with other people's toolchains, as
// binaries of the component model: fixtures of tests.
//
// All tools are pinned: the packages of npm by npm/package-lock.json, the compilers by the
// machine that CI runs on. A fixture is built once and kept in the user's cache directory
// under a hash of all that it is built of.
package toolchains

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Fixture is a component that Build can build.
type Fixture struct {
	Name string
	Tier Tier
	// Extra fixtures are for measurements. Tests leave them out, since they take long to build.
	Extra bool

	source string // below guests/
	job    job
	flags  []string // of clang
}

// Tier is the ability that airhost needs to run a component.
type Tier int

const (
	// Unbundled components have one core module of their own, which WASI preview 1 and the
	// contract's interfaces serve.
	Unbundled Tier = 1 + iota
	// Named components have one core module that imports WASI 0.2 by name.
	Named
	// Fused components have several core modules of their own.
	Fused
	// Refused components use what airhost does not take.
	Refused
)

// job is the argument of npm/build.mjs.
type job struct {
	Tool     string `json:"tool"`
	Source   string `json:"source"`
	World    string `json:"world"`
	WIT      string `json:"wit"`
	Output   string `json:"output"`
	Bare     bool   `json:"bare,omitempty"`     // without WASI
	Sync     bool   `json:"sync,omitempty"`     // without functions of asynchronous components
	Adapter  bool   `json:"adapter,omitempty"`  // from WASI preview 1 to 0.2
	Encoding string `json:"encoding,omitempty"` // of strings; UTF-8 if empty
}

const (
	componentizeJS  = "componentize-js"
	componentizeQJS = "componentize-qjs"
	witComponent    = "wit-component"

	plugin  = "plugin"
	managed = "airhost:core/managed-component"
	least   = "airhost:core/component"
)

// Fixtures are all fixtures. Each probe answers the words that guests/probe.mjs has, or
// those of them that its language can.
var Fixtures = []Fixture{
	{"js-echo", Named, true, "echo.mjs", job{Tool: componentizeJS, World: managed}, nil},
	{"js-echo-bare", Unbundled, true, "echo.mjs", job{Tool: componentizeJS, World: managed, Bare: true}, nil},
	{"js-probe", Named, false, "probe.mjs", job{Tool: componentizeJS, World: plugin}, nil},
	{"js-probe-bare", Unbundled, false, "probe.mjs", job{Tool: componentizeJS, World: plugin, Bare: true}, nil},
	{"js-example", Named, false, "../../../examples/js-component/greeter.mjs", job{Tool: componentizeJS, World: managed}, nil},
	{"js-web", Named, false, "web.mjs", job{Tool: componentizeJS, World: managed}, nil},
	{"js-http", Named, false, "../../../examples/js-http/site.mjs", job{Tool: componentizeJS, World: "site", WIT: "../../../examples/js-http/site.wit"}, nil},
	{"qjs-echo", Fused, false, "echo.mjs", job{Tool: componentizeQJS, World: managed}, nil},
	{"qjs-probe", Fused, false, "probe.mjs", job{Tool: componentizeQJS, World: plugin}, nil},
	{"qjs-probe-sync", Fused, false, "probe.mjs", job{Tool: componentizeQJS, World: plugin, Sync: true}, nil},
	{"c-echo", Unbundled, false, "../../../examples/c-echo/echo.c", job{Tool: witComponent, World: least}, nil},
	{"c-echo-utf16", Refused, false, "../../../examples/c-echo/echo.c", job{Tool: witComponent, World: least, Encoding: "utf16"}, nil},
	{"c-probe", Unbundled, false, "probe.c", job{Tool: witComponent, World: plugin}, nil},
	{"c-probe-adapted", Unbundled, false, "probe.c", job{Tool: witComponent, World: plugin, Adapter: true}, []string{"-DWASI"}},
	{"go-probe", Unbundled, false, "probe/main.go", job{Tool: witComponent, World: plugin, Adapter: true}, nil},
}

// ByName returns the fixture of a name.
func ByName(t testing.TB, name string) Fixture {
	t.Helper()
	for _, f := range Fixtures {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("there is no fixture %s", name)
	return Fixture{}
}

// HasConsole reports whether a probe with WASI can write to a console: componentize-qjs has none.
func (f Fixture) HasConsole() bool { return f.job.Tool != componentizeQJS }

// HasWASI reports whether a probe can get random numbers.
func (f Fixture) HasWASI() bool { return !f.job.Bare && (f.job.Tool != witComponent || f.job.Adapter) }

// HasClock reports whether a probe has a clock: the host's if not that of WASI.
func (f Fixture) HasClock() bool { return !f.job.Bare }

// Build returns the path of the component, which must not be changed. It skips the test
// where -short is set, or where a tool is missing that CI has.
func (f Fixture) Build(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no component is built")
	}
	b := builder{TB: t, folder: folder(), temp: t.TempDir()}
	b.node = b.tool("node", "apt-get install nodejs npm")
	if _, err := os.Stat(filepath.Join(b.folder, "npm/node_modules")); err != nil {
		t.Skip("the packages of npm are not installed: npm ci in internal/toolchains/npm")
	}
	source := filepath.Join(b.folder, "guests", f.source)
	switch filepath.Ext(f.source) {
	case ".c":
		source = b.c(source, f.flags)
	case ".go":
		source = b.golang(filepath.Dir(source))
	}
	return b.component(f, source)
}

// Core returns the path of the core module in a component of one: C and Go guests are core
// modules before wit-component makes components of them.
func (f Fixture) Core(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no guest is built")
	}
	b := builder{TB: t, folder: folder(), temp: t.TempDir()}
	source := filepath.Join(b.folder, "guests", f.source)
	if filepath.Ext(f.source) == ".c" {
		return b.c(source, f.flags)
	}
	return b.golang(filepath.Dir(source))
}

func folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// builder builds one fixture for a test.
type builder struct {
	testing.TB
	folder, temp, node string
}

func (b builder) tool(name, install string) string {
	b.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		b.Skipf("%s is not installed: %s", name, install)
	}
	return path
}

func (b builder) run(env []string, name string, args ...string) {
	b.Helper()
	command := exec.CommandContext(b.Context(), name, args...)
	command.Dir, command.Env = b.folder, append(os.Environ(), env...)
	if report, err := command.CombinedOutput(); err != nil {
		b.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, report)
	}
}

// c compiles a guest without any library.
func (b builder) c(source string, flags []string) string {
	b.Helper()
	clang, ld := b.tool("clang-19", "apt-get install clang-19"), b.tool("wasm-ld-19", "apt-get install lld-19")
	object, module := filepath.Join(b.temp, "guest.o"), filepath.Join(b.temp, "guest.wasm")
	b.run(nil, clang, append(flags, "--target=wasm32", "-std=c17", "-O2", "-mbulk-memory", "-ffreestanding",
		"-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-c", source, "-o", object)...)
	b.run(nil, ld, "--no-entry", "-z", "stack-size=65536", object, "-o", module)
	return module
}

func (b builder) golang(source string) string {
	b.Helper()
	module := filepath.Join(b.temp, "guest.wasm")
	b.run([]string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"},
		"go", "build", "-trimpath", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w", "-o", module, source)
	return module
}

// component makes a component of a source, unless the cache has it.
func (b builder) component(f Fixture, source string) string {
	b.Helper()
	job, texts := f.job, []string{filepath.Join(b.folder, "guests", f.job.WIT)}
	if job.WIT = texts[0]; f.job.WIT == "" {
		job.WIT = filepath.Join(b.temp, "wit")
		texts = b.wit(job.WIT)
	}
	inputs := append(texts, source, filepath.Join(b.folder, "npm/build.mjs"), filepath.Join(b.folder, "npm/package-lock.json"))
	cache := Cache(b)
	kept := filepath.Join(cache, f.Name+"-"+b.hash(f, inputs)+".wasm")
	if err := os.Chtimes(kept, time.Now(), time.Now()); err == nil { // it is there, and used
		return kept
	}
	job.Source = source
	made, err := os.CreateTemp(cache, "new-*")
	if err != nil {
		b.Fatal(err)
	}
	made.Close()
	defer os.Remove(made.Name())
	job.Output = made.Name()
	text, err := json.Marshal(job)
	if err != nil {
		b.Fatal(err)
	}
	b.run(nil, b.node, filepath.Join(b.folder, "npm/build.mjs"), string(text))
	if err := os.Rename(made.Name(), kept); err != nil {
		b.Fatal(err)
	}
	return kept
}

// wit lays the contract's worlds out as the tools want them: one package in a folder, and
// all others below it. It returns the files.
func (b builder) wit(to string) (files []string) {
	b.Helper()
	root := filepath.Join(b.folder, "../../wit")
	all, err := filepath.Glob(filepath.Join(root, "deps/*.wit"))
	if err == nil {
		err = os.MkdirAll(filepath.Join(to, "deps"), 0o755)
	}
	if err != nil {
		b.Fatal(err)
	}
	for _, from := range append(all, filepath.Join(root, "airhost.wit"), filepath.Join(root, "plugin/plugin.wit")) {
		text, err := os.ReadFile(from)
		path := filepath.Join(to, "deps", filepath.Base(from))
		if filepath.Base(from) == "plugin.wit" {
			path = filepath.Join(to, "plugin.wit")
		}
		if err == nil {
			err = os.WriteFile(path, text, 0o644)
		}
		if err != nil {
			b.Fatal(err)
		}
		files = append(files, path)
	}
	return files
}

// Cache returns the folder of components that were built before. Engines may keep their code
// in a folder there. Old files there are removed.
func Cache(t testing.TB) string {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		base = t.TempDir()
	}
	dir := filepath.Join(base, "airhost-toolchains")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	pruned.Do(func() { prune(dir, time.Now().Add(-keptFor)) })
	return dir
}

// hash is that of all that a component is built of.
func (b builder) hash(f Fixture, inputs []string) string {
	b.Helper()
	sum := sha256.New()
	fmt.Fprintf(sum, "%+v\n", f.job)
	for _, path := range inputs {
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(sum, "%d ", len(text))
		sum.Write(text)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8])
}
