package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestLinks: each link of a document leads to a file of the project, and its anchor
// to a heading there. Links to other sites are not followed.
func TestLinks(t *testing.T) {
	texts := map[string]string{}
	for _, doc := range written(t, "*.md") {
		content, err := os.ReadFile(filepath.Join(root, doc))
		if err != nil {
			t.Fatal(err)
		}
		texts[doc] = string(content)
	}
	exists := func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}
	for doc := range texts {
		for _, broken := range brokenLinks(doc, texts, exists) {
			t.Error(broken)
		}
	}
}

var (
	fencePattern   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	codePattern    = regexp.MustCompile("`[^`\n]+`")
	linkPattern    = regexp.MustCompile(`(?:\]\(|\]: |href="|src=")([^)\s"#]*)(#[^)\s"]*)?`)
	headingPattern = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// brokenLinks returns a line for each link of a document that leads nowhere. texts
// holds all documents by their paths.
func brokenLinks(doc string, texts map[string]string, exists func(path string) bool) (broken []string) {
	text := codePattern.ReplaceAllString(fencePattern.ReplaceAllString(texts[doc], ""), "")
	for _, m := range linkPattern.FindAllStringSubmatch(text, -1) {
		path, anchor := m[1], strings.TrimPrefix(m[2], "#")
		if strings.Contains(path, ":") {
			continue
		}
		target := doc
		if path != "" {
			target = filepath.Join(filepath.Dir(doc), path)
		}
		if path != "" && !exists(target) {
			broken = append(broken, fmt.Sprintf("%s links to %s, which does not exist", doc, path))
		} else if to, isDoc := texts[target]; isDoc && anchor != "" && !slices.Contains(anchors(to), anchor) {
			broken = append(broken, fmt.Sprintf("%s links to %s#%s, which has no such heading", doc, path, anchor))
		}
	}
	return broken
}

// anchors returns the anchors that GitHub gives to the headings of a document.
func anchors(text string) (all []string) {
	for _, m := range headingPattern.FindAllStringSubmatch(fencePattern.ReplaceAllString(text, ""), -1) {
		anchor := strings.Map(func(r rune) rune {
			if r == ' ' {
				return '-'
			} else if r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) {
				return r
			}
			return -1
		}, strings.ToLower(strings.TrimSpace(m[1])))
		all = append(all, anchor)
	}
	return all
}

func TestBrokenLinks(t *testing.T) {
	texts := map[string]string{
		"README.md": "[a](docs/a.md) [b](docs/a.md#the-first-run) [c](https://example.com/x#y) [d](code.go) [e](#airhost)\n# airhost\n" +
			"`[f](nowhere.md)`\n```\n[g](nowhere.md)\n# no heading\n```\n",
		"docs/a.md": "[h](../README.md)\n![i](../gone.svg)\n## The `first` run\n[j](b.md) [k](../README.md#no-heading) [l](#second)\n\n[m]: c.md\n",
	}
	exists := func(path string) bool { return texts[path] != "" || path == "code.go" }
	if broken := brokenLinks("README.md", texts, exists); broken != nil {
		t.Errorf("no link is broken, but found %q", broken)
	}
	want := []string{
		"docs/a.md links to ../gone.svg, which does not exist",
		"docs/a.md links to b.md, which does not exist",
		"docs/a.md links to ../README.md#no-heading, which has no such heading",
		"docs/a.md links to #second, which has no such heading",
		"docs/a.md links to c.md, which does not exist",
	}
	if broken := brokenLinks("docs/a.md", texts, exists); !slices.Equal(broken, want) {
		t.Errorf("got %q, want %q", broken, want)
	}
}
