package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// rule lists the imports that are allowed to some packages. Each field is a list
// of patterns, separated by spaces.
type rule struct {
	of      string // packages of the project; with a '/' at the end, all below
	may     string // the packages of the project that they may import, likewise
	vendors string // prefixes of other modules' packages that they may import
	why     string
}

const (
	parts = "backends/ brokers/ trackers/"

	// wasmLibs work on WebAssembly, processLibs on processes.
	wasmLibs    = "internal/abi internal/codecache internal/component internal/filekind internal/fuse internal/lastwords internal/meter internal/nearest internal/precompiled internal/refs internal/sandbox internal/wasi internal/wasm internal/wit"
	processLibs = "internal/extension internal/frame internal/spawn"

	fx   = "go.uber.org/fx"
	grpc = "google.golang.org/grpc google.golang.org/protobuf"

	benchVendors = "github.com/HdrHistogram/ github.com/montanaflynn/stats golang.org/x/perf github.com/goccy/go-yaml"

	forParts = "core guest plugin proto/ " + wasmLibs + " " + processLibs
)

// importRules covers every package of the project; the first rule that fits a
// package holds. A package without a rule is refused.
var importRules = []rule{
	{"core", "", "", "everything imports it: it must stay light"},
	{"core/enginetest core/brokertest core/trackertest", "core", "", "tests of other modules import the suites"},
	{"core/host", "core internal/httpmessage", "", "the host knows its parts by their interfaces only"},
	{"internal/httpmessage", "core", "", "all that pass HTTP on as messages share it"},
	{"guest guest/", "guest/", "", "guests must not carry the host along"},
	{"plugin", "core guest proto/ " + processLibs, "github.com/hashicorp/go- " + grpc, "plug-ins must not carry the host along"},
	{"proto proto/", "", grpc, "generated code"},

	{"backends/wazero", forParts, "github.com/tetratelabs/wazero", "one vendor for an engine"},
	{"backends/wasmtime", forParts, "github.com/bytecodealliance/wasmtime-go/v39", "one vendor for an engine"},
	{"backends/process brokers/plugin trackers/plugin", forParts, grpc, "they talk to processes"},
	{"trackers/internal/model", "core", "pgregory.net/rapid", "the tests of all trackers share it"},
	{"brokers/nats", forParts, "github.com/nats-io/nats.go github.com/nats-io/nkeys", "one vendor for a broker"},
	{parts, forParts, "", "an implementation knows neither another one nor the host"},

	{wasmLibs, "core internal/httpmessage " + wasmLibs, "golang.org/x/sys", "the implementations share them"},
	{processLibs, "core proto/ " + processLibs, "github.com/hashicorp/go- golang.org/x/sys " + grpc, "the implementations share them"},
	{"internal/golden", "", "github.com/google/go-cmp", "tests share it"},
	{"internal/toolchains internal/toolchains/", "guest", "", "tests share it, and it builds guests"},
	{"internal/natstest", "", "github.com/nats-io/", "tests share it"},
	{"internal/natsserver", "", "github.com/nats-io/nats-server/", "one vendor for a server"},
	{"internal/nemesis", "core core/host guest backends/native brokers/nats trackers/slab", "github.com/nats-io/nats-server/ golang.org/x/sys", "it has tests of whole clusters"},
	{"internal/sdnotify", "core", "github.com/coreos/go-systemd/v22/daemon", "it talks to the service manager alone"},
	{"internal/config", "core reach/secret " + wasmLibs, "github.com/goccy/go-yaml github.com/invopop/jsonschema", "it reads a file and starts nothing"},
	{"internal/parts", "core " + wasmLibs + " " + parts, "", "it lists the implementations for the programs and starts none"},
	{"internal/bench/data/", "internal/bench/data/", benchVendors, "it knows neither how results are measured nor how they are shown"},
	{"internal/bench/show/", "internal/bench/data/ internal/bench/show/", benchVendors, "it shows results and measures none"},
	{"internal/bench internal/bench/", "airhostfx core core/host guest plugin internal/ " + parts,
		benchVendors + " github.com/tetratelabs/wazero github.com/bytecodealliance/wasmtime-go/v39 go.uber.org/dig " + fx,
		"it measures implementations, wired by fx, and knows no program"},
	{"internal/allengines internal/bombs internal/codecache/codecachetest internal/component/componenttest internal/corpus internal/fuse/fusetest internal/meter/metertest internal/rules internal/spawn/spawntest",
		"core guest " + wasmLibs, "", "they are tests, or tests share them"},
	{"internal/extension/extensiontest internal/hostile internal/hostile/measure", "core core/host guest internal/ reach/ " + parts,
		"go.uber.org/goleak golang.org/x/sys " + grpc, "tests of whole hosts"},

	{"cluster", "core", "", "it decides for any host and any broker"},
	{"internal/service", "admin airhostfx cluster core core/host gateway/ guest internal/ examples/ reach/ " + parts, "github.com/fsnotify/fsnotify go.uber.org/dig " + fx, "it runs what a file says, on the implementations that the file chooses"},
	{".", "core core/host backends/wazero brokers/inproc trackers/slab", "", "the short way in: one engine, one broker, one tracker"},
	{"internal/hosttest", "core core/host backends/native brokers/inproc trackers/slab", "", "tests in front of a host share it"},
	{"internal/httpstatus", "core", "", "the gateway and the admin API share it"},
	{"gateway/", "core core/host internal/httpmessage internal/httpstatus", "github.com/robfig/cron/v3 golang.org/x/net", "a way in knows the host, and no implementation"},
	{"admin", "core core/host internal/httpstatus internal/nearest", "", "the API of a host knows no implementation"},
	{"reach/keyvalue/natskv", "core core/host internal/ reach/keyvalue/", "github.com/nats-io/nats.go", "one vendor for a store"},
	{"reach/", "core core/host internal/", "go.etcd.io/bbolt golang.org/x/net golang.org/x/sys", "what components reach knows the host, and no implementation"},
	{"telemetry/", "core core/host", "github.com/prometheus/", "it shows a host, and knows no implementation"},
	{"airhostfx", "core core/host", fx, "it wires any implementation and chooses none"},
	{"cmd/", ". admin airhostfx core core/host gateway/ guest internal/ reach/ telemetry/ examples/ " + parts,
		"github.com/spf13/ github.com/tetratelabs/wazero go.uber.org/dig golang.org/x/term " + fx, "programs choose implementations"},
	{"examples/", ". airhostfx core core/host guest guest/state guest/web plugin reach/ " + parts, fx, "examples import only packages that users can import"},
}

// checkImports returns a line for each import that no rule allows, and for each
// package without a rule.
func checkImports(all []pkg) (refused []string) {
	for _, p := range all {
		path, _ := local(p.ImportPath)
		i := slices.IndexFunc(importRules, func(r rule) bool { return fitsAny(r.of, path) })
		if i < 0 {
			refused = append(refused, path+" has no rule in importRules")
			continue
		}
		r := importRules[i]
		for _, imported := range p.Imports {
			if !r.allows(path, imported) {
				refused = append(refused, fmt.Sprintf("%s must not import %s: %s", path, imported, r.why))
			}
		}
		for _, imported := range append(p.TestImports, p.XTestImports...) {
			if strings.HasPrefix(imported, fx) && !r.allows(path, imported) {
				refused = append(refused, fmt.Sprintf("the tests of %s must not import fx: its users do not", path))
			}
		}
	}
	return refused
}

func (r rule) allows(by, imported string) bool {
	if path, ours := local(imported); ours {
		return sameTree(path, by) || fitsAny(r.may, path)
	}
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(strings.Fields(r.vendors), func(v string) bool { return strings.HasPrefix(imported, v) })
}

// sameTree reports whether one package lies below the other: the packages of one
// implementation may import each other. core is not an implementation.
func sameTree(a, b string) bool {
	return b != "core" && strings.HasPrefix(a, b+"/") || a != "core" && strings.HasPrefix(b, a+"/")
}

func fitsAny(patterns, path string) bool {
	return slices.ContainsFunc(strings.Fields(patterns), func(p string) bool {
		if strings.HasSuffix(p, "/") {
			return strings.HasPrefix(path, p)
		}
		return p == path
	})
}

func TestImports(t *testing.T) {
	for _, refusal := range checkImports(list(t)) {
		t.Error(refusal)
	}
}

// TestImportRule checks made-up packages: the rule allows the imports that the
// design names and refuses all others.
func TestImportRule(t *testing.T) {
	const yes, no = true, false
	for _, test := range []struct {
		by, imported string
		allowed      bool
	}{
		{"core", "sync", yes}, {"core/host", "core", yes}, {".", "core/host", yes}, {".", "trackers/slab", yes},
		{"airhostfx", fx, yes}, {"cmd/airhost", "airhostfx", yes}, {"cmd/airhost", "internal/parts", yes},
		{"internal/parts", "backends/process", yes}, {"internal/bench/measure", fx, yes}, {"internal/bench/measure", "core/host", yes},
		{"internal/bench/show/report", "internal/bench/data/result", yes}, {"backends/foo", "internal/abi", yes},
		{"backends/foo/internal/bar", "backends/foo", yes}, {"examples/new", "plugin", yes}, {"examples/new", ".", yes},
		{"examples/new", "guest/state", yes}, {"guest/state", "guest", yes}, {"guest/state", "guest/internal/exports", yes},

		{"telemetry/prometheus", "github.com/prometheus/client_golang/prometheus", yes}, {"cmd/airhost", "telemetry/prometheus", yes},
		{"telemetry/prometheus", "backends/wazero", no}, {"core/host", "telemetry/prometheus", no}, {"core/host", "github.com/prometheus/client_golang/prometheus", no},
		{"core", "core/host", no}, {"core", "golang.org/x/sys/unix", no}, {"core/host", "brokers/inproc", no},
		{"core/host", "internal/abi", no}, {"core/enginetest", fx, no}, {"core/enginetest", "core/host", no},
		{"core/host", fx, no}, {"backends/wazero", fx, no}, {"guest", "core", no}, {"guest/state", "core", no}, {"examples/new", "guest/internal/exports", no}, {"plugin", "core/host", no}, {"brokers/inproc", "brokers/channel", no},
		{"backends/foo", "backends/wazero", no}, {"backends/foo", "core/host", no}, {"backends/foo", "github.com/new/vendor", no},
		{"backends/wazero", "internal/hostile", no}, {"backends/wazero", "airhostfx", no}, {"trackers/slab", "github.com/spf13/cobra", no},
		{"internal/abi", "core/host", no}, {"internal/abi", "backends/wazero", no}, {"internal/sandbox", "github.com/tetratelabs/wazero", no},
		{"internal/bench/measure", "cmd/benchrunner", no}, {"internal/bench/data/stat", "internal/bench/measure/harness", no}, {"internal/bench/show/report", "core/host", no},
		{"internal/bench/show/report", fx, no}, {"internal/parts", fx, no}, {"internal/config", "brokers/inproc", no},
		{".", "brokers/channel", no}, {".", fx, no}, {"airhostfx", "backends/wazero", no},
		{"examples/echo", "internal/abi", no}, {"cmd/airhost", "github.com/new/vendor", no},

		{"gadgets", "sync", no}, {"internal/gadgets", "sync", no}, {"core/gadgets", "sync", no},
	} {
		p := pkg{ImportPath: module + "/" + test.by, Imports: []string{test.imported}}
		if test.by == "." {
			p.ImportPath = module
		}
		if first, _, _ := strings.Cut(test.imported, "/"); test.imported == "." {
			p.Imports[0] = module
		} else if test.imported != "sync" && !strings.Contains(first, ".") {
			p.Imports[0] = module + "/" + test.imported
		}
		if refused := checkImports([]pkg{p}); (len(refused) == 0) != test.allowed {
			t.Errorf("%s imports %s: allowed should be %v; refused: %q", test.by, test.imported, test.allowed, refused)
		}
	}
}

// TestImportRuleOfTests: tests may choose implementations, but only those of
// packages that import fx may import it.
func TestImportRuleOfTests(t *testing.T) {
	chooses := []string{module + "/backends/wazero", module + "/core/host"}
	for by, allowed := range map[string]bool{"airhostfx": true, "cmd/airhost": true, "internal/abi": false, "guest": false} {
		p := pkg{ImportPath: module + "/" + by, TestImports: chooses, XTestImports: []string{fx + "/fxtest"}}
		if refused := checkImports([]pkg{p}); (len(refused) == 0) != allowed {
			t.Errorf("fx in a test of %s: allowed should be %v; refused: %q", by, allowed, refused)
		}
	}
}
