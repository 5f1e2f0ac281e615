package suite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/internal/bench/data/suite"
)

func load(t *testing.T, text string) (*suite.File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bench.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return suite.Load(path)
}

func TestLoad(t *testing.T) {
	f, err := load(t, `suites:
  small:
    about: a few
    settings: {quick: true}
    cells:
      - engine: [wazero, native]
        payload: 64
      - {mode: cold}
  large:
    cells: [{mode: [load], load: [50, 90]}]
`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"large", "small"}, f.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	got, err := f.Find("small")
	if err != nil {
		t.Fatal(err)
	}
	want := suite.Suite{
		About:    "a few",
		Settings: suite.List{Entries: []suite.Entry{{Key: "quick", Values: []string{"true"}, Place: suite.Place{Line: 4, Column: 16}}}, Place: suite.Place{Line: 4, Column: 15}},
		Cells: []suite.List{
			{Entries: []suite.Entry{
				{Key: "engine", Values: []string{"wazero", "native"}, Place: suite.Place{Line: 6, Column: 9}},
				{Key: "payload", Values: []string{"64"}, Place: suite.Place{Line: 7, Column: 9}},
			}, Place: suite.Place{Line: 6, Column: 9}},
			{Entries: []suite.Entry{{Key: "mode", Values: []string{"cold"}, Place: suite.Place{Line: 8, Column: 10}}}, Place: suite.Place{Line: 8, Column: 9}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("suite (-want +got):\n%s", diff)
	}
	_, err = f.Find("tiny")
	if err == nil || !strings.HasSuffix(err.Error(), `there is no suite "tiny", want one of large, small`) {
		t.Errorf("a suite that is not there: got %v", err)
	}
}

func TestMistakesHaveTheirPlace(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"no YAML":        {"suites: [", ":1:"},
		"unknown key":    {"suites:\n  a:\n    cell: []\n", ":3:5: "},
		"twice the same": {"suites:\n  a:\n    cells: [{mode: cold}]\n    cells: [{mode: cold}]\n", ":4:5: "},
		"no mapping":     {"suites:\n  a:\n    cells: [cold]\n", ":3:13: want keys"},
		"nested":         {"suites:\n  a:\n    cells: [{mode: {a: b}}]\n", ":3:20: mode: want a value"},
		"no value":       {"suites:\n  a:\n    cells:\n      - mode:\n", "mode: want a value"},
		"empty list":     {"suites:\n  a:\n    cells: [{mode: []}]\n", ":3:14: mode: the list is empty"},
		"no cells":       {"suites:\n  a:\n    about: nothing\n", `: suite "a" has no cells`},
		"no suites":      {"suites: {}\n", ": there are no suites"},
	}
	for name, c := range cases {
		_, err := load(t, c.text)
		var wrong *suite.Error
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want it to have %q", name, err, c.want)
		}
	}
	if _, err := suite.Load(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v, want ErrNotExist", err)
	}
}
