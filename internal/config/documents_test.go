package config_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/config"
)

// root is the folder of the project.
const root = "../.."

// notOurs is the line above a block of YAML that is no configuration of airhost; it names the other format.
var notOurs = regexp.MustCompile(`^<!-- YAML of .+ -->$`)

// fragment is a configuration in a document, or a part of one: whole keys of the file.
type fragment struct {
	doc   string
	above string // the line above it
	line  int    // of its first line, from 1
	text  string
}

// fragments returns the configurations in a document: its blocks of YAML, but those with another mark.
// They may be indented, as in a list.
func fragments(doc, content string) (all []fragment) {
	var block *fragment
	above, indent := "", ""
	for i, line := range strings.Split(content, "\n") {
		switch fence := strings.TrimSpace(line); {
		case block == nil && (fence == "```yaml" || fence == "```yml"):
			indent = line[:strings.Index(line, "`")]
			block = &fragment{doc: doc, above: strings.TrimSpace(above), line: i + 2}
		case block != nil && fence == "```":
			if !notOurs.MatchString(block.above) {
				all = append(all, *block)
			}
			block = nil
		case block != nil:
			block.text += strings.TrimPrefix(line, indent) + "\n"
		}
		above = line
	}
	return all
}

var (
	quotedFile = regexp.MustCompile(`^<!-- file: (\S+) -->$`)
	// hasComponents matches a file that has components, or includes others with them.
	hasComponents = regexp.MustCompile(`(?m)^(components|include):`)
	// cutChecksum is a checksum of which a document shows the beginning.
	cutChecksum = regexp.MustCompile(`(sha256: [0-9a-f]+)…`)
)

// mistakes returns those of a fragment, with the document and the line. A block that quotes a file
// is as good as the whole file: another test holds that it is a part of it. All others stand for
// themselves, and may lack the components. Files that they name do not exist, and variables
// have a value, unless they have a default.
func (f fragment) mistakes(read func(path string) ([]byte, error)) error {
	if quoted := quotedFile.FindStringSubmatch(f.above); quoted != nil {
		content, err := read(quoted[1])
		if err != nil {
			return err
		}
		return decodeDocument(quoted[1], string(content))
	}
	above := strings.Repeat("\n", f.line-1) // so that lines are those of the document
	if !hasComponents.MatchString(f.text) {
		above = "components: [{id: an/example, source: example.wasm}]" + above
	}
	return decodeDocument(f.doc, above+cutChecksum.ReplaceAllStringFunc(f.text, func(start string) string {
		start = strings.TrimSuffix(start, "…")
		return start + strings.Repeat("0", len("sha256: ")+64-len(start))
	}))
}

// decodeDocument decodes a configuration with the vocabulary of the documents: all that some build has.
func decodeDocument(name, text string) error {
	file, err := config.Decode(name, []byte(text), config.Built{
		Engines:  []config.Choice{{Name: "wazero"}, {Name: "wasmtime"}, {Name: "native"}, {Name: "process"}},
		Brokers:  []config.Choice{{Name: "inproc"}, {Name: "channel"}, {Name: "nats"}},
		Trackers: []config.Choice{{Name: "slab"}, {Name: "timermap"}},
		Native:   []string{"counter", "echo", "relay"},
		Lookup: func(name string) (string, bool) {
			if strings.Contains(text, "${"+name+":-") {
				return "", false
			}
			return "a-value", true
		},
	})
	if err != nil {
		return err
	}
	return file.Placement().Sorted()
}

// TestDocumentedConfigurations: each block of YAML in a document is a configuration without
// mistakes, or a part of one, or the line above names another format.
func TestDocumentedConfigurations(t *testing.T) {
	list := exec.Command("git", "ls-files", "-z", "--", "*.md")
	list.Dir = root
	docs, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	read := func(path string) ([]byte, error) { return os.ReadFile(filepath.Join(root, path)) }
	found := 0
	for doc := range strings.SplitSeq(strings.Trim(string(docs), "\x00"), "\x00") {
		content, err := read(doc)
		if err != nil {
			t.Fatal(err)
		}
		all := fragments(doc, string(content))
		found += len(all)
		for _, f := range all {
			if err := f.mistakes(read); err != nil {
				t.Errorf("%s:%d: this is no configuration of airhost, nor a part of one:\n%v", f.doc, f.line, err)
			}
		}
	}
	if found < 20 {
		t.Errorf("the documents have %d configurations, want 20 at least", found)
	}
}

// TestFragments: a mistake in a document is found, with its line, and a part of a configuration
// may lack the rest.
func TestFragments(t *testing.T) {
	read := func(path string) ([]byte, error) {
		return map[string][]byte{
			"good.yaml": []byte("host: {workers: 2}\ncomponents: [{id: a/b, source: '${DIR:-x}.wasm'}]"), "bad.yaml": []byte("host: {worker: 2}\ncomponents: [{id: a/b, source: b.wasm}]"),
		}[path], nil
	}
	for _, test := range []struct{ above, text, want string }{
		{"", "components: [{id: a/b, source: b.wasm, sha256: 3a7b…, env: {A: '${A}', B: '${B:-b}'}}]", ""},
		{"", "host:\n  workers: 2 # a comment", ""},
		{"", "schedules: [{every: 10s, target: shop/sweeper}]", ""},
		{"<!-- file: good.yaml -->", "  source: b.wasm", ""},
		{"<!-- YAML of GitHub -->", "on: push", ""},
		{"<!-- run -->", "on: push", "doc.md:5:1: on: unknown key"},
		{"", "host:\n  worker: 2", `doc.md:6:3: host.worker: unknown key, did you mean "workers"?`},
		{"", "host: {workers: many}", "doc.md:5:17: host.workers: want a whole number"},
		{"", "components: [{id: a/b, source: b.wasm, engine: wasm}]", `doc.md:5:48: components[0].engine: unknown engine "wasm"`},
		{"", "components: [{id: a/b}]", `doc.md:5:14: components[0]: the key "source" is missing`},
		{"", "components: [{id: a/b, source: b.wasm, place: any}]", "doc.md:5:47: components[0].place: any needs the broker nats"},
		{"", "- {id: a/b, source: b.wasm}", "doc.md:5:1: not YAML"},
		{"", "host: [", "doc.md:5"},
		{"<!-- file: bad.yaml -->", "host: {worker: 2}", "bad.yaml:1:8: host.worker: unknown key"},
	} {
		doc := "# Title\n\n" + test.above + "\n```yaml\n" + test.text + "\n```\nThe end.\n"
		var got string
		for _, f := range fragments("doc.md", doc) {
			if err := f.mistakes(read); err != nil {
				got = err.Error()
			}
		}
		if !strings.HasPrefix(got, test.want) || test.want == "" && got != "" {
			t.Errorf("%s\n%s\ngot the mistake %q, want %q", test.above, test.text, got, test.want)
		}
	}
	if all := fragments("doc.md", "1. first\n\n   ```yml\n   host:\n     workers: 2\n   ```\n"); len(all) != 1 || all[0].mistakes(read) != nil {
		t.Errorf("a block in a list: got %v", all)
	}
}
