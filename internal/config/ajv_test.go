package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/airhost/airhost/internal/config"
)

// unknowable are the mistakes that a schema cannot find, with the reasons.
var unknowable = map[string]*regexp.Regexp{
	"a pattern compares no sizes and times":    regexp.MustCompile(`is out of range, want [0-9.]+[a-zA-Z]`),
	"it does not know the variables":           regexp.MustCompile(`^the value of \$\{|without \$\{\} and without|is not set in the environment|^"\$\{.*(is not UTF-8|larger than 1 MiB)`),
	"it compares no values":                    regexp.MustCompile(`is shorter than|and the host has another broker|overlaps with|is in config as well|is for store: bbolt alone|missing: the file of bbolt|is the name of each component's own bucket|has no place for|keeps no messages: set|is for (components with )?delivery: durable alone|is there beside|needs its (key|certificate)|is for the broker nats|is for a host with a server|needs a folder|are for servers with|needs a certificate and|has a name or a token beside|is less than limits.memory|is the id of another|is there twice|has no component`),
	"keys may come from the defaults":          regexp.MustCompile(`needs messages_per_second|is for WebAssembly alone|is for WebAssembly and native alone|is for the process engine alone|is for processes and WebAssembly alone|has no limits.memory|is for a source that is a file`),
	"it has one pattern for all names":         regexp.MustCompile(`the namespace airhost is|is no namespace`),
	"it allows the parts of other builds":      regexp.MustCompile(`is not built into this airhost|there is no NATS server in`),
	"its patterns know no addresses":           regexp.MustCompile(`needs a token|want the path of a socket|want nats:|has several servers|is one of (WebSockets|TLS)|is no rule for URLs|is no range of addresses|needs the port|can be reached from`),
	"it sees the values, and not how they are": regexp.MustCompile(`control character|second document|not UTF-8 text$|given twice|<< is not supported|leading zeros|decimal digits, .* got [0-9][0-9.xe]*$|^"[0-9]+\.0": want`),
}

// TestSchemaIsExact: Ajv, a validator of JSON schemas, finds by the schema the same mistakes as Decode,
// at the same places, in all files of this package and all examples.
func TestSchemaIsExact(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("Node.js is not installed: apt-get install nodejs npm")
	}
	if _, err := os.Stat("testdata/ajv/node_modules"); err != nil {
		t.Skip("its packages are not installed: npm ci in internal/config/testdata/ajv")
	}
	files := schemaFiles(t)
	verdicts := validate(t, node, files)
	used := map[string]bool{}
	for i, f := range files {
		_, err := config.Decode(f.name, f.text, built)
		var mistakes config.Mistakes
		errors.As(err, &mistakes)
		for _, m := range mistakes {
			if !has(verdicts[i], m.Path) && !known(m, used) {
				t.Errorf("the schema does not find\n%v", m)
			}
		}
		for _, e := range verdicts[i] {
			if !foundToo(mistakes, e.Path) {
				t.Errorf("%s: %s: only the schema finds: %s", f.name, e.Path, e.Text)
			}
		}
	}
	for reason := range unknowable {
		if !used[reason] {
			t.Errorf("no file has a mistake that the schema cannot find because %s", reason)
		}
	}
}

// schemaFile is a configuration that is YAML.
type schemaFile struct {
	name  string
	text  []byte
	value any
}

func schemaFiles(t *testing.T) (files []schemaFile) {
	for _, pattern := range []string{"testdata/*.yaml", "testdata/mistakes/*.yaml", "testdata/schema/*.yaml", "testdata/includes/*/*.yaml", "testdata/includes/*/*/*.yaml",
		"../../examples/*/*.yaml", "../../deploy/etc/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			f := schemaFile{name: name}
			if f.text, err = os.ReadFile(name); err != nil {
				t.Fatal(err)
			}
			f.text = bytes.ReplaceAll(bytes.TrimPrefix(f.text, []byte("\ufeff")), []byte("\r"), []byte("\n"))
			if yaml.UnmarshalWithOptions(f.text, &f.value, yaml.AllowDuplicateMapKey()) != nil || f.value == nil {
				continue
			}
			if _, err := json.Marshal(f.value); err == nil { // not .inf
				files = append(files, f)
			}
		}
	}
	if len(files) < 20 {
		t.Fatalf("only %d files", len(files))
	}
	return files
}

// schemaError is what Ajv finds.
type schemaError struct{ Path, Text string }

func validate(t *testing.T, node string, files []schemaFile) (verdicts [][]schemaError) {
	schema, err := config.Schema(built)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]any, len(files))
	for i, f := range files {
		values[i] = f.value
	}
	input, err := json.Marshal(map[string]any{"schema": json.RawMessage(schema), "values": values})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), node, "validate.mjs")
	var said bytes.Buffer
	c.Dir, c.Stdin, c.Stderr = "testdata/ajv", bytes.NewReader(input), &said
	output, err := c.Output()
	if err != nil || said.Len() > 0 { // strict mode warns
		t.Fatalf("%v: %s", err, &said)
	}
	if err := json.Unmarshal(output, &verdicts); err != nil {
		t.Fatal(err)
	}
	return verdicts
}

func has(all []schemaError, path string) bool {
	for _, e := range all {
		if e.Path == path {
			return true
		}
	}
	return false
}

func known(m *config.Mistake, used map[string]bool) bool {
	for reason, text := range unknowable {
		if text.MatchString(m.Text) {
			used[reason] = true
			return true
		}
	}
	return false
}

// foundToo reports whether there is a mistake at a path, or above or below it: of a value with several
// forms Ajv tells about each.
func foundToo(mistakes config.Mistakes, path string) bool {
	for _, m := range mistakes {
		if strings.HasPrefix(m.Path, path) || strings.HasPrefix(path, m.Path) {
			return true
		}
	}
	return false
}
