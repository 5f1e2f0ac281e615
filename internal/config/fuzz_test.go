package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/airhost/airhost/internal/config"
)

// FuzzDecode: no text makes Decode panic; every mistake is one line with its excerpt,
// without characters that a terminal obeys; and a file that is accepted means the same
// after it was written again.
func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "testdata/mistakes/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Add([]byte("plugin: 00000000008"))
	f.Add([]byte("components: [{id: a/b, source: '${ID}$$', config: {a: '${A:-}', $b: &c '${YAML}', c: *c}}]"))
	f.Add([]byte("host: {broker: {plugin: 00000000008}}\ncomponents: [{id: a/b, source: echo, engine: native}]"))
	f.Add([]byte("include: [p/*.yaml, '[', fuzz.yaml, /p/a.yaml]\ndefaults: {config: {a: 1}, limits: {memory: 1MiB}}\ncomponents: [{id: a/b, source: x.wasm}]"))
	f.Add([]byte("include: ['${A:-p}/*']\ndefaults: {engine: native, restart: {backoff: 1h}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		others := memory{"p/a.yaml": string(text), "p/b.yaml": "components: [{id: a/c, source: x.wasm, restart: {max_backoff: 1s}}]\ndefaults: {config: {a: '${REGION}'}}", "q.yaml": string(text)}
		file, err := config.DecodeWith("fuzz.yaml", text, built, others)
		if err != nil {
			checkMistakes(t, err)
			return
		}
		if len(file.Components) == 0 {
			return // nothing was included
		}
		file.Defaults, file.Include = config.Defaults{}, nil // the components have them
		again := written(t, file)
		back, err := config.Decode("again.yaml", again, built)
		if err != nil {
			t.Fatalf("cannot read what was written: %v\n%s", err, again)
		}
		if diff := cmp.Diff(file, back, compared, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("another meaning, read -, read again +:\n%s\n%s", diff, again)
		}
	})
}

// written returns a file that means the same, without variables.
func written(t *testing.T, file *config.File) []byte {
	text, err := yaml.MarshalWithOptions(file, yaml.JSON())
	if err != nil {
		t.Fatalf("cannot write what was read: %v", err)
	}
	var tree any
	if err := yaml.UnmarshalWithOptions(text, &tree, yaml.UseOrderedMap()); err != nil {
		t.Fatalf("cannot read what was written: %v\n%s", err, text)
	}
	if text, err = yaml.MarshalWithOptions(doubled(tree), yaml.JSON()); err != nil {
		t.Fatalf("cannot write what was read: %v", err)
	}
	return text
}

// doubled returns a tree with $$ for each $ in its values.
func doubled(tree any) any {
	switch tree := tree.(type) {
	case string:
		return strings.ReplaceAll(tree, "$", "$$")
	case []any:
		for i := range tree {
			tree[i] = doubled(tree[i])
		}
	case yaml.MapSlice:
		for i := range tree {
			tree[i].Value = doubled(tree[i].Value)
		}
	}
	return tree
}

func checkMistakes(t *testing.T, err error) {
	for _, m := range err.(config.Mistakes) {
		if strings.Contains(m.Summary(), "\n") || strings.Count(m.Excerpt, "\n") > 1 || strings.ContainsAny(m.Error(), "\x00\x1b\r\u009b") {
			t.Errorf("unsafe for a terminal: %q", m.Error())
		}
		if m.Text == "" || m.Line > 0 && m.Column < 1 {
			t.Errorf("incomplete: %+v", m)
		}
	}
}
