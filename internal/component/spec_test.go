//go:build cgo

package component

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bytecodealliance/wasmtime-go/v39"
)

// specSkipped are the cases of the component model's tests that are left out, and why.
// The test fails if another one must be left out.
var specSkipped = map[string]string{
	"core-modules.wast:24": "the code of core modules is checked by the engine",
}

// specCase is a case of the component model's tests.
type specCase struct {
	name, want string // want is "valid", "invalid" or "malformed"
	wasm       []byte
	text       string // if it must be assembled
}

// TestSpec holds our verdicts against those of the component model's own tests.
func TestSpec(t *testing.T) {
	cases := specCases(t)
	skipped, count := make(map[string]string), 0
	for _, c := range cases {
		if specSkipped[c.name] != "" {
			skipped[c.name] = specSkipped[c.name]
			continue
		}
		if c.wasm == nil {
			t.Errorf("%s: neither wat2wasm nor wasm-tools assembles it, and it is not in specSkipped", c.name)
			continue
		}
		count++
		got, err := verdict(c.wasm)
		// A reader of the reference may say "invalid" where the binary can't be read.
		if got != c.want && !(c.want == "invalid" && got == "malformed") {
			t.Errorf("%s: %s (%v), want %s", c.name, got, err, c.want)
		}
	}
	t.Logf("%d cases, %d skipped", count, len(skipped))
	if diff := len(specSkipped) - len(skipped); diff != 0 {
		t.Errorf("specSkipped has %d cases that are not in the files", diff)
	}
}

func verdict(wasm []byte) (string, error) {
	c, err := Decode(wasm)
	if err != nil {
		return "malformed", err
	}
	if _, err := Validate(c, len(wasm)); err != nil {
		return "invalid", err
	}
	return "valid", nil
}

// specCases reads the component model's tests, if they are there.
func specCases(t *testing.T) (cases []specCase) {
	dir := os.Getenv("AIRHOST_COMPONENT_MODEL")
	if dir == "" {
		dir = "../../../shared/data/component-model"
	}
	files, _ := filepath.Glob(filepath.Join(dir, "test", "*", "*.wast"))
	if len(files) == 0 {
		t.Skipf("the component model's tests are not in %s; set AIRHOST_COMPONENT_MODEL to a checkout of WebAssembly/component-model", dir)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range parseWast(string(text)) {
			if c, ok := specCaseOf(command); ok {
				c.name = fmt.Sprintf("%s:%d", filepath.Base(f), command.line)
				cases = append(cases, c)
			}
		}
	}
	assembleRest(t, cases)
	return cases
}

// specCaseOf returns the case of a command. ok is false for commands that define nothing,
// and for those of quoted text.
func specCaseOf(command sexpr) (c specCase, ok bool) {
	c.want = "valid"
	def := command
	switch command.head() {
	case "assert_invalid", "assert_malformed":
		c.want = strings.TrimPrefix(command.head(), "assert_")
		def = command.list[1]
	case "assert_unlinkable", "assert_trap":
		def = command.list[1]
	}
	if def.head() != "component" {
		return c, false
	}
	words := def.list[1:]
	for len(words) > 0 && !words[0].str && len(words[0].list) == 0 && (words[0].atom == "definition" || strings.HasPrefix(words[0].atom, "$")) {
		words = words[1:]
	}
	if len(words) > 0 && (words[0].atom == "quote" || words[0].atom == "instance") {
		return c, false
	}
	if len(words) > 0 && words[0].atom == "binary" {
		c.wasm = []byte{}
		for _, w := range words[1:] {
			c.wasm = append(c.wasm, w.atom...)
		}
		return c, true
	}
	c.text = def.text
	if i := strings.Index(c.text, "definition"); i > 0 && i < 14 {
		c.text = "(component" + c.text[i+len("definition"):]
	}
	if wasm, err := wasmtime.Wat2Wasm(c.text); err == nil {
		c.wasm = wasm
	}
	return c, true
}

// assembleRest assembles the cases that are too new for wasmtime's wat2wasm, by the
// wasm-tools in npm's jco, where that is installed.
func assembleRest(t *testing.T, cases []specCase) {
	modules := os.Getenv("AIRHOST_JCO")
	if modules == "" {
		modules = "../toolchains/npm/node_modules"
	}
	modules, err := filepath.Abs(modules)
	if err != nil {
		t.Fatal(err)
	}
	_, missing := os.Stat(filepath.Join(modules, "@bytecodealliance/jco"))
	node, noNode := exec.LookPath("node")
	var texts []string
	var rest []*specCase
	for i := range cases {
		if c := &cases[i]; c.wasm == nil {
			texts, rest = append(texts, c.text), append(rest, c)
		}
	}
	if err := errors.Join(missing, noNode); err != nil {
		t.Logf("%d cases are left out, which need npm's jco (see internal/toolchains; AIRHOST_JCO is its node_modules): %v", len(rest), err)
		for _, c := range rest {
			c.wasm, c.want = []byte("not assembled"), "malformed"
		}
		return
	}
	in, out := filepath.Join(t.TempDir(), "in.json"), filepath.Join(t.TempDir(), "out.json")
	data, _ := json.Marshal(texts)
	if err := os.WriteFile(in, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if report, err := exec.CommandContext(t.Context(), node, "testdata/wat.mjs", modules, in, out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, report)
	}
	var results []struct {
		Wasm  []byte
		Error string
	}
	data, _ = os.ReadFile(out)
	if err := json.Unmarshal(data, &results); err != nil || len(results) != len(rest) {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, r := range results {
		if r.Error == "" {
			rest[i].wasm = r.Wasm
		} else {
			t.Logf("%s: %s", rest[i].name, r.Error)
		}
	}
}
