package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestManualPages: each command has its page, with a name, a description and examples, and two
// runs write the same.
func TestManualPages(t *testing.T) {
	folder, again := filepath.Join(t.TempDir(), "man1"), t.TempDir()
	for _, to := range []string{folder, again} {
		if got := runArgs("man", to); got != (outcome{}) {
			t.Fatalf("got %+v", got)
		}
	}
	var want []string
	for _, c := range commands((&program{}).root()) {
		page := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		want = append(want, page)
		text, err := os.ReadFile(filepath.Join(folder, page))
		if err != nil {
			t.Error(err)
			continue
		}
		other, err := os.ReadFile(filepath.Join(again, page))
		if err != nil || string(other) != string(text) {
			t.Errorf("%s: the second run differs, %v", page, err)
		}
		if i := strings.IndexFunc(string(text), func(r rune) bool { return r > 126 }); i >= 0 {
			t.Errorf("%s has a character that not every man shows: %.20q", page, text[i:])
		}
		for _, part := range []string{`.TH "AIRHOST`, ".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", c.Short} {
			if !strings.Contains(strings.ReplaceAll(string(text), "\\-", "-"), part) {
				t.Errorf("%s has no %q", page, part)
			}
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(want, e.Name()) && !strings.HasPrefix(e.Name(), "airhost-completion") {
			t.Errorf("%s is the page of no command", e.Name())
		}
	}
}

// TestExamples: the help of every command has examples, which begin with it.
func TestExamples(t *testing.T) {
	for _, c := range commands((&program{}).root()) {
		if !strings.Contains(c.Example, "airhost ") || c.HasParent() && c.Parent().HasParent() && !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: the examples are %q", c.CommandPath(), c.Example)
		}
		for line := range strings.Lines(c.Long) {
			if len(line) > 90 {
				t.Errorf("%s: the help has a line of %d columns: %s", c.CommandPath(), len(line), line)
			}
		}
	}
}

func commands(c *cobra.Command) (all []*cobra.Command) {
	all = append(all, c)
	for _, sub := range c.Commands() {
		all = append(all, commands(sub)...)
	}
	return all
}

// TestManualPagesNeedAFolder: a path that cannot be one is wrong use.
func TestManualPagesNeedAFolder(t *testing.T) {
	if got := runArgs("man", writeFile(t, "file", "")); got.code != exitUsage || !strings.Contains(got.stderr, "not a directory") {
		t.Errorf("got %+v", got)
	}
}
