package rules

import (
	"go/scanner"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mostOfHundred is the largest number of lines with a nominalWord in a hundred lines of
// comments. In ten other projects it is between 0.2 and 1.7.
const mostOfHundred = 3

// nominalWord fits the words that begin clauses such as "what the caller waits for":
// a sentence that names the thing is easier to read.
var nominalWord = regexp.MustCompile(`(?i)\b(what|who|whom|whose)\b`)

// TestPlainEnglish counts the lines of comments in Go and C, in each folder and in all,
// and those of the documents.
func TestPlainEnglish(t *testing.T) {
	lines, nominal := map[string]int{}, map[string][]string{}
	count := func(part, file, line string) {
		lines[part]++
		if nominalWord.MatchString(line) {
			nominal[part] = append(nominal[part], file+": "+line)
		}
	}
	for _, file := range written(t, "*.go", "*.c", "*.h") {
		for _, line := range comments(file, contents(t, file)) {
			count(filepath.Dir(file), file, line)
			count("the whole", file, line)
		}
	}
	for _, file := range written(t, "*.md") {
		for line := range strings.Lines(string(contents(t, file))) {
			count("documents", file, line)
		}
	}
	for _, of := range slices.Sorted(maps.Keys(nominal)) {
		found := nominal[of]
		if !plain(len(found), lines[of]) {
			t.Errorf("%s: %d of %d lines have what, who, whom or whose, want %d in a hundred%s",
				of, len(found), lines[of], mostOfHundred, strings.TrimRight("\n"+strings.Join(found, "\n"), "\n"))
		}
	}
}

// plain reports whether so many lines are within the bound. One line always is.
func plain(nominal, lines int) bool { return nominal <= max(1, lines*mostOfHundred/100) }

// comments returns the lines of the comments of a file in Go or C that have a word.
func comments(file string, content []byte) (lines []string) {
	texts := commentsOfC
	if strings.HasSuffix(file, ".go") {
		texts = commentsOfGo
	}
	for _, text := range texts(content) {
		for line := range strings.Lines(text) {
			if line = strings.Trim(line, "/* \t\r\n"); line != "" {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

func commentsOfGo(content []byte) (texts []string) {
	files := token.NewFileSet()
	var s scanner.Scanner
	s.Init(files.AddFile("", files.Base(), len(content)), content, nil, scanner.ScanComments)
	for {
		_, kind, text := s.Scan()
		if kind == token.EOF {
			return texts
		} else if kind == token.COMMENT {
			texts = append(texts, text)
		}
	}
}

// tokenOfC fits a comment, or a text or character in quotes, which may look like one.
var tokenOfC = regexp.MustCompile(`(?s)//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'`)

func commentsOfC(content []byte) []string {
	return slices.DeleteFunc(tokenOfC.FindAllString(string(content), -1), func(text string) bool { return text[0] != '/' })
}

func TestComments(t *testing.T) {
	const source = "// one\n//\nx := \"// no\" // two\n/* three\n * four */ y = '\"' // five's \"rest\"\n"
	want := []string{"one", "two", "three", "four", `five's "rest"`}
	for _, file := range []string{"a.go", "a.c", "a.h"} {
		if got := comments(file, []byte(source)); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", file, got, want)
		}
	}
	if got := comments("a.go", []byte("`// no\n// no`\n// yes")); !slices.Equal(got, []string{"yes"}) {
		t.Errorf("a raw string: got %q", got)
	}
}

func TestPlain(t *testing.T) {
	for _, test := range []struct {
		nominal, lines int
		plain          bool
	}{{0, 0, true}, {1, 2, true}, {2, 66, false}, {2, 67, true}, {3, 100, true}, {4, 100, false}, {300, 10_000, true}, {301, 10_000, false}} {
		if got := plain(test.nominal, test.lines); got != test.plain {
			t.Errorf("%d of %d lines: plain is %v, want %v", test.nominal, test.lines, got, test.plain)
		}
	}
}
