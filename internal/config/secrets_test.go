package config_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/config"
)

// TestMistakesShowNoSecrets: a mistake shows the line that it is in, with stars for the values of
// config, env and secrets, however these are written, also if the file is no YAML.
func TestMistakesShowNoSecrets(t *testing.T) {
	const secret = "s3cr3t"
	for _, test := range []struct{ lines, excerpt string }{
		{"- {id: a/b, source: x.wasm, secrets: {key: s3cr3t}}", "secrets: {key: ******}}"},
		{"- id: a/b\n  source: x.wasm\n  secrets:\n    key:\n      env: s3cr3t-1\n", ""},
		{"- {id: a/b, source: x.wasm, secrets: s3cr3t}", "secrets: ******}"},
		{"- {id: a/b, sourc: x.wasm, config: {key: s3cr3t}}", "- {id: a/b, sourc: x.wasm, config: {key: ******}}"},
		{"- {id: a/b, config: {key: s3cr3t, two: '}s3cr3t'}, sourc: x.wasm}", "config: {key: ******, two: '}******'}, sourc: x.wasm}"},
		{"- {id: a/b, env: {\"KEY\": \"s3cr3t\\\"}\", two: s3cr3t}, sourc: x.wasm}", ", sourc: x.wasm}"},
		{`- {"id": "a/b", "config": {"key": "s3cr3t"}, "sourc": "x.wasm"}`, `"config": {"key": "******"}, "sourc": "x.wasm"}`},
		{"- {id: a/b, config: s3cr3t, source: x.wasm}", "config: ******, source: ******}"},
		{"- id: a/b\n  source: x.wasm\n  config: s3cr3t", "  config: ******"},
		{"- id: a/b\n  source: x.wasm\n  config:\n    key: [s3cr3t]", "    key: ********"},
		{"- id: a/b\n  source: x.wasm\n  config:\n    key:\n      - s3cr3t", ""},
		{"- id: a/b\n  source: x.wasm\n  config:\n    # one\n\n    key: {to: s3cr3t}", "    key: {to: ******}"},
		{"- id: a/b\n  source: x.wasm\n  config:\n    \"key\": s3cr3t\n    \"key\": s3cr3t", `    "key": ******`},
		{"- id: a/b\n  source: x.wasm\n  config: {key: a,\n    two: s3cr3t, two: s3cr3t}", "    two: ******, two: ******}"},
		{"- id: a/b\n  source: x.wasm\n  env: {key: a,\n    's3cr3t', b: [}", ""},
		{"- id: a/b\n  source: x.wasm\n  config:\n    key: \"s3cr3t", ""},
		{"- id: a/b\n  source: x.wasm\n  config:\n    key: |\n      pass: s3cr3t\n    key: s3cr3t", "    key: ******"},
		{"- id: a/b\n  source: x.wasm\n  config:\n    key: >-\n     a: s3cr3t: b: s3cr3t\n   b: : s3cr3t", ""},
		{"- id: a/b\n  source: x.wasm\n  config:\n\tkey: s3cr3t", ""},
		{"- {id: a/b, config: {key: s3cr3t},\n   sourc: x.wasm}", "   sourc: x.wasm}"},
		{"- id: a/b\n  config: {key: s3cr3t}\n  sourc: config.wasm", "  sourc: config.wasm"},
		{"- id: a/b\n  sourc: x.wasm # env", "  sourc: x.wasm # env"},
	} {
		for _, key := range []string{"components", "components:\n- {id: c/d, source: y.wasm, config: {key: s3cr3t}}\n#"} {
			_, err := config.Decode("f.yaml", []byte(key+":\n"+test.lines), built)
			if err == nil {
				t.Errorf("%s\nhas no mistake", test.lines)
				continue
			}
			if got := err.Error(); strings.Contains(got, secret) || !strings.Contains(got, test.excerpt+"\n") {
				t.Errorf("%s\nshows\n%s\nwant %s", test.lines, got, test.excerpt)
			}
		}
	}
}

// TestMaskedLines: whatever the line of a mistake is, and wherever the file breaks off, no secret is shown.
func TestMaskedLines(t *testing.T) {
	const secret = "s3cr3t"
	for _, text := range []string{
		"components:\n- id: a/b\n  source: x.wasm\n  config:\n    key: s3cr3t\n    two: |\n      s3cr3t\n       s3cr3t: s3cr3t\n  env: {KEY: s3cr3t,\n    TWO: s3cr3t}\n",
		"components: [{id: a/b, env: {KEY: s3cr3t, TWO: 's3cr3t'}, source: x.wasm, config: {key: \"s3cr3t\", two: s3cr3t}}]",
		"defaults:\n  env:\n    KEY: s3cr3t\nbroker:\n  plugin:\n    source: x\n    config:\n      key: s3cr3t\n",
	} {
		isLetter := regexp.MustCompile("^[a-zA-Z]$")
		for cut := range len(text) {
			if before, after := text[:cut], text[cut:]; isLetter.MatchString(before[max(0, cut-1):]) && (isLetter.MatchString(after[:1]) || after[0] == ':') {
				continue // within a word, such as env, or behind it
			}
			for _, junk := range []string{"", "]", "\n]", ": : :", "\x00"} {
				_, err := config.Decode("f.yaml", []byte(text[:cut]+junk+text[cut:]), built)
				_, cutErr := config.Decode("f.yaml", []byte(text[:cut]+junk), built)
				if got := fmt.Sprint(err, cutErr); strings.Contains(got, secret) {
					t.Fatalf("%q with %q at %d shows\n%s", text, junk, cut, got)
				}
			}
		}
	}
}
