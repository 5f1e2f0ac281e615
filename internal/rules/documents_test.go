package rules

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var nominalClause = regexp.MustCompile(`(?i)\b(what|who|whom|whose)\b`)

// TestDocumentsAreInPlainEnglish: at most 3 lines in 100 of the documents have what,
// who, whom or whose. Sentences without them name the thing.
func TestDocumentsAreInPlainEnglish(t *testing.T) {
	root, err := filepath.Glob("../../*.md")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	lines, with := 0, []string{}
	for _, doc := range append(root, docs...) {
		content, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			lines++
			if nominalClause.MatchString(line) {
				with = append(with, filepath.Base(doc)+": "+line)
			}
		}
	}
	if len(with)*100 > 3*lines {
		t.Errorf("%d of %d lines have what, who, whom or whose:\n%s", len(with), lines, strings.Join(with, ""))
	}
}
