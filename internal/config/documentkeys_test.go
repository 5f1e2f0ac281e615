package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/config"
)

// keys are those that a schema has below a value.
type keys struct {
	Properties map[string]keys
	Additional *keys `json:"additionalProperties"`
	Items      *keys
	OneOf      []keys
}

// UnmarshalJSON takes false, which closes a mapping, for a schema without keys.
func (k *keys) UnmarshalJSON(text []byte) error {
	type plain keys
	if text[0] != '{' {
		return nil
	}
	return json.Unmarshal(text, (*plain)(k))
}

// has reports whether a value may have the keys of a path, one below the other. Names in capitals
// stand for keys that users choose.
func (k keys) has(path []string) bool {
	if len(path) == 0 {
		return true
	}
	if below, ok := k.Properties[path[0]]; ok && below.has(path[1:]) {
		return true
	}
	for _, other := range k.OneOf {
		if other.has(path) {
			return true
		}
	}
	return k.Items != nil && k.Items.has(path) ||
		k.Additional != nil && path[0] == strings.ToUpper(path[0]) && k.Additional.has(path[1:])
}

// schemaKeys returns the keys of a file and of a component.
func schemaKeys(t *testing.T) (file, component keys) {
	t.Helper()
	text, err := config.Schema(built)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	component = *file.Properties["components"].Items
	return file, component
}

// componentWith is a file with a component, as far as a further key of that.
const componentWith = "host: {broker: nats, nats: {name: a}}\ncomponents:\n  - id: an/example\n    source: echo\n    "

var (
	fenced     = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	dottedSpan = regexp.MustCompile("`([a-z_]+(?:\\.(?:[a-z_]+|[A-Z]+))+)`")
	valueSpan  = regexp.MustCompile("`([a-z_]+): ([^`\n]+)`")
	sourceFile = regexp.MustCompile(`\.(go|c|md|json|yaml|yml|proto|wasm|txtar)$`)
)

// mistakesInText returns those of the words in a document that name keys of a configuration: paths
// such as limits.memory, and keys with a value.
func mistakesInText(text string, file, component keys) (mistakes []string) {
	text = fenced.ReplaceAllString(text, "")
	for _, span := range dottedSpan.FindAllStringSubmatch(text, -1) {
		path := strings.Split(span[1], ".")
		known := file.has(path[:1]) || component.has(path[:1])
		if known && !sourceFile.MatchString(span[1]) && !file.has(path) && !component.has(path) {
			mistakes = append(mistakes, span[1]+" is no key")
		}
	}
	for _, span := range valueSpan.FindAllStringSubmatch(text, -1) {
		line := span[1] + ": " + span[2]
		switch key := []string{span[1]}; {
		case file.has(key):
			if !hasComponents.MatchString(line) {
				line += "\ncomponents: [{id: an/example, source: example.wasm}]"
			}
		case span[1] == "place_labels":
			line = componentWith + "place: any\n    " + line
		case component.has(key):
			line = componentWith + line
		default:
			continue
		}
		if err := decodeDocument("the text", line+"\n"); err != nil {
			mistakes = append(mistakes, err.Error())
		}
	}
	return mistakes
}

// TestDocumentedKeys: keys that the text of a document names are there, and take the values that it
// gives them.
func TestDocumentedKeys(t *testing.T) {
	file, component := schemaKeys(t)
	docs, err := filepath.Glob(root + "/docs/*.md")
	if err != nil || len(docs) == 0 {
		t.Fatalf("there are no documents: %v", err)
	}
	for _, doc := range append(docs, root+"/README.md", root+"/SECURITY.md", root+"/deploy/README.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, mistake := range mistakesInText(string(text), file, component) {
			t.Errorf("%s: %s", filepath.Base(doc), mistake)
		}
	}
}

// TestKeysInText: words that are no keys are found, and others are left alone.
func TestKeysInText(t *testing.T) {
	file, component := schemaKeys(t)
	for text, want := range map[string]string{
		"`limits.memory`, `host.nats.tls.ca`, `host.broker.plugin`, `functions.NAME.timeout`, `quota.go`, `timers.go`": "",
		"`place: any`, `host: {workers: 2}`, `failed: text`, `sync_interval: always`":                                  "",
		"`limits.memories`":             "limits.memories is no key",
		"`functions.timeout`":           "functions.timeout is no key",
		"`capabilities.fetch`":          "capabilities.fetch is no key",
		"`place: there`":                `unknown place "there"`,
		"`host: {worker: 2}`":           "host.worker: unknown key",
		"```\n`limits.memories`\n```\n": "",
	} {
		got := strings.Join(mistakesInText(text, file, component), "\n")
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
