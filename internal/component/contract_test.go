package component

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wasm"
)

var (
	witComment   = regexp.MustCompile(`//[^\n]*`)
	witPackage   = regexp.MustCompile(`package ([a-z:-]+)@`)
	witInterface = regexp.MustCompile(`(?s)interface ([a-z-]+) \{(.*?)\n\}`)
	witFunc      = regexp.MustCompile(`(?s)\n    ([a-z-]+): (func[^;]*);`)
	witAlias     = regexp.MustCompile(`\n    type ([a-z-]+) = ([a-z0-9]+);`)
	witType      = regexp.MustCompile(`(?s)\n    (variant|enum|record|flags) ([a-z-]+) \{(.*?)\}`)
	spaces       = regexp.MustCompile(`\s+`)
)

func oneLine(text string) string {
	return strings.TrimSuffix(strings.TrimSpace(spaces.ReplaceAllString(text, " ")), ",")
}

// TestContractIsThatOfWIT: the functions and types of the table are those of the WIT files,
// all of them, in the same words.
func TestContractIsThatOfWIT(t *testing.T) {
	files, _ := filepath.Glob("../../wit/deps/*.wit")
	functions, types := make(map[string]map[string]string), make(map[string]string)
	for _, f := range append(files, "../../wit/airhost.wit") {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text := witComment.ReplaceAllString(string(data), "")
		pkg := witPackage.FindStringSubmatch(text)[1]
		for _, i := range witInterface.FindAllStringSubmatch(text, -1) {
			for _, f := range witFunc.FindAllStringSubmatch(i[2], -1) {
				put2(functions, pkg+"/"+i[1], f[1], oneLine(f[2]))
			}
			for _, a := range witAlias.FindAllStringSubmatch(i[2], -1) {
				types[a[1]] = a[2]
			}
			for _, d := range witType.FindAllStringSubmatch(i[2], -1) {
				types[d[2]] = d[1] + " { " + oneLine(d[3]) + " }"
			}
		}
	}
	if !maps.Equal(types, contractTypes) {
		t.Errorf("types: %v, want %v", contractTypes, types)
	}
	for _, i := range interfaces {
		if !maps.Equal(i.functions, functions[i.name]) {
			t.Errorf("%s: %v, want %v", i.name, i.functions, functions[i.name])
		}
		delete(functions, i.name)
	}
	if len(functions) > 0 || len(files) < 4 {
		t.Errorf("the table has no %v", functions)
	}
}

func put2(m map[string]map[string]string, a, b, value string) {
	if m[a] == nil {
		m[a] = make(map[string]string)
	}
	m[a][b] = value
}

// TestContractIsThatOfABI: flattened, the functions have the core signatures that package
// abi has.
func TestContractIsThatOfABI(t *testing.T) {
	core := make(map[string]wasm.FuncType)
	for _, f := range abi.Exports() {
		core[f.Name] = f.Type
	}
	for _, i := range abi.Interfaces() {
		for _, f := range i.Funcs {
			core[i.Module+"#"+f.Name] = f.Type
		}
	}
	v := &validator{flats: make(map[*valueType][]wasm.ValueType)}
	for _, i := range interfaces {
		for name, text := range i.functions {
			got, _ := v.flatFunc(parseFunc(text), &canonOptions{}, i.direction == exporting)
			if want := core[i.name+"@0.1.0#"+name]; !got.Equal(want) {
				t.Errorf("%s %s: %s, want %s", i.name, name, got, want)
			}
		}
	}
}

// TestDifferences: the first difference between a function and the contract's is named in
// the words of WIT.
func TestDifferences(t *testing.T) {
	const message = "func(sender: component-id, message: list<u8>) -> result<list<u8>, component-error>"
	for got, want := range map[string]string{
		message: "",
		"func(sender: string, message: list<u8>) -> result<list<u8>, component-error>":         "",
		"func(sender: component-id, message: list<u8>) -> result<_, component-error>":          "the result is result<_, component-error>, want result<list<u8>, component-error>",
		"func(sender: component-id, message: string) -> result<list<u8>, component-error>":     "the parameter message is string, want list<u8>",
		"func(sender: component-id) -> result<list<u8>, component-error>":                      "the parameter message: list<u8> is missing",
		"func(sender: component-id, message: list<u8>, x: u8) -> result<list<u8>, call-error>": "there is a parameter x: u8 too many",
		"func(from: component-id, message: list<u8>) -> result<list<u8>, component-error>":     "parameter 1 is from, want sender",
		"func(sender: component-id, message: list<u8>)":                                        "it has no result, want result<list<u8>, component-error>",
	} {
		if text := difference(parseFunc(got), parseFunc(message)); text != want {
			t.Errorf("%s: %q, want %q", got, text, want)
		}
	}
	other := parseFunc(message)
	other.result.second.fields = slices.Clone(other.result.second.fields[:2])
	const inner = "the result has another component-error: it is variant { invalid-message(string), unavailable(string) }, " +
		"want variant { invalid-message(string), unavailable(string), failed(string) }"
	if text := difference(other, parseFunc(message)); text != inner {
		t.Errorf("%q, want %q", text, inner)
	}
	if other = parseFunc(message); difference(&funcType{async: true, params: other.params, result: other.result}, parseFunc(message)) != "it is an async func, want a func" {
		t.Error("an async function is taken for another one")
	}
}

// TestCheckContract: what a component has and the contract has not is named.
func TestCheckContract(t *testing.T) {
	message := external{name: "handle-message", sort: Func, is: parseFunc(interfaces[0].functions["handle-message"])}
	good := external{name: lifecycle + "@0.1.7", sort: Inst, is: newInstanceType([]external{message}, nil)}
	instance := func(name, function, typ string) external {
		return external{name: name, sort: Inst, is: newInstanceType([]external{{name: function, sort: Func, is: parseFunc(typ)}}, nil)}
	}
	for _, c := range []struct {
		what             string
		imports, exports []external
		want             string
	}{
		{"all is well", []external{instance("wasi:io/poll@0.2.0", "x", "func()"), instance("airhost:core/host-services@0.1.0", "current-time", "func() -> u64")}, []external{good}, ""},
		{"no lifecycle", nil, nil, "it does not export airhost:core/component-lifecycle@0.1.0: build it for the world component of wit/airhost.wit, or for wasi:http/proxy@0.2"},
		{"a program", nil, []external{instance("wasi:cli/run@0.2.3", "run", "func()")}, "it does not export airhost:core/component-lifecycle@0.1.0, and is a program that runs once (it exports wasi:cli/run@0.2.3): build it for the world component of wit/airhost.wit, or for wasi:http/proxy@0.2"},
		{"a handler of HTTP of another type", nil, []external{instance("wasi:http/incoming-handler@0.2.3", "handle", "func(request: u32, response-out: u32)")}, "handle of wasi:http/incoming-handler@0.2.3 is a func(request: u32, response-out: u32), want func(request: own<incoming-request>, response-out: own<response-outparam>)"},
		{"a handler of HTTP without a function", nil, []external{instance("wasi:http/incoming-handler@0.2", "hande", "func()")}, "wasi:http/incoming-handler@0.2 has no function handle"},
		{"a handler of HTTP of another version", nil, []external{instance("wasi:http/incoming-handler@0.3.0", "handle", "func()")}, "it does not export airhost:core/component-lifecycle@0.1.0, but wasi:http/incoming-handler@0.3.0: build it for the world component of wit/airhost.wit, or for wasi:http/proxy@0.2"},
		{"another version", nil, []external{good, instance("airhost:core/component-management@0.2.0", "x", "func()")}, `the export "airhost:core/component-management" is of version "0.2.0", and this host has version 0.1`},
		{"another type", []external{instance("airhost:core/host-services@0.1.0", "current-time", "func() -> bool")}, []external{good}, "current-time: the result is bool, want u64"},
		{"another function", []external{instance("airhost:core/host-services@0.1.0", "curent-time", "func() -> u64")}, []external{good}, `airhost:core/host-services has no function "curent-time", did you mean current-time?`},
		{"another interface", []external{instance("airhost:timers/timer@0.1.0", "x", "func()")}, []external{good}, `the import "airhost:timers/timer@0.1.0" is not in the contract, did you mean airhost:timers/timers?`},
		{"the other direction", nil, []external{good, instance("airhost:timers/timers@0.1.0", "x", "func()")}, "it exports airhost:timers/timers, which a component imports"},
		{"no interface", []external{{name: "airhost:timers/timers@0.1.0", sort: Func, is: &funcType{}}}, []external{good}, `the import "airhost:timers/timers@0.1.0" is a func, want an interface`},
	} {
		got := strings.Join((&Types{&componentType{imports: c.imports, exports: c.exports}}).CheckContract(), "; ")
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
