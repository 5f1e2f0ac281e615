package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/golden"
)

// TestIncludesAndDefaults: keys of a component win over the defaults of its file, and those over the
// main file's; sources are relative to the file that names them.
func TestIncludesAndDefaults(t *testing.T) {
	const folder = "testdata/includes/good/"
	f, err := config.Load(folder+"airhost.yaml", built)
	if err != nil {
		t.Fatal(err)
	}
	secret := core.ConfigPair{Key: "secret", Value: "hunter2"}
	region, tier := core.ConfigPair{Key: "region", Value: "eu"}, core.ConfigPair{Key: "tier", Value: "gold"}
	limits := config.Limits{HandlerTime: config.Duration(time.Second), Mailbox: 5}
	common := config.Component{
		Source: "echo", Engine: "native", Config: config.Pairs{region, tier, secret}, Limits: limits, Logs: config.Logs{LinesPerSecond: 10},
		Capabilities: config.Capabilities{Send: patterns(t, "shop/first")}, Required: true,
	}
	first, a1, a2, b := common, common, common, common
	first.ID = core.MustComponentID("shop/first")
	a1.ID, a1.Instances = core.MustComponentID("shop/a1"), 2
	a2.ID, a2.Engine, a2.Source = core.MustComponentID("shop/a2"), "process", folder+"plugins/guest.sh"
	a2.Process.OpenFiles = 20
	a2.Env = config.Pairs{{Key: "TZ", Value: "UTC"}, {Key: "LANG", Value: "C"}}
	b.ID, b.Engine, b.Source, b.Required = core.MustComponentID("shop/b"), "wazero", folder+"guest.code", false
	b.Env = config.Pairs{{Key: "TZ", Value: "UTC"}}
	b.Config = config.Pairs{{Key: "region", Value: "us"}, {Key: "tier", Value: "silver"}, secret, {Key: "own", Value: "1"}, {Key: "more", Value: "x"}}
	b.Limits = config.Limits{HandlerTime: config.Duration(2 * time.Second), Mailbox: 7, Memory: 1 << 20, HandlerWallTime: config.Duration(3 * time.Second), Fuel: 9}
	b.Capabilities = config.Capabilities{Send: []core.IDPattern{}, Request: patterns(t, "shop/first")}
	if diff := cmp.Diff([]config.Component{first, a1, a2, b}, f.Components, compared); diff != "" {
		t.Errorf("components, want -, got +:\n%s", diff)
	}
	if diff := cmp.Diff([]string{folder + "airhost.yaml", folder + "plugins/a.yaml", folder + "plugins/b.yaml"}, f.Files()); diff != "" {
		t.Errorf("files, want -, got +:\n%s", diff)
	}
	if diff := cmp.Diff([]string{strings.TrimSuffix(folder, "/"), folder + "extra", folder + "plugins"}, f.Folders()); diff != "" {
		t.Errorf("folders, want -, got +:\n%s", diff)
	}
	if !f.Substituted("components[3].config.secret") || f.Substituted("components[3].limits") {
		t.Error("want the secret, and not the limits, to be from a variable by the defaults")
	}
	if !f.Substituted("components[0].capabilities.send") || f.Substituted("components[3].capabilities.send") {
		t.Error("want the list of the defaults to be from a variable, and not a list in its place")
	}
	want := folder + "airhost.yaml:1:43: include[2]: no file matches it"
	if got := f.Warnings(); len(got) != 1 || got[0].Summary() != want {
		t.Errorf("warnings are %v, want %s", got, want)
	}
	got := f.Mistake("components[3].limits.memory", "is wrong").Summary()
	if want := folder + "plugins/b.yaml:7:13: components[0].limits.memory: is wrong"; got != want {
		t.Errorf("a mistake by defaults is\n%s\nwant\n%s", got, want)
	}
}

// TestIncludeMistakes: mistakes are in the files that have them, the main file first.
func TestIncludeMistakes(t *testing.T) {
	_, err := config.Load("testdata/includes/mistakes/airhost.yaml", built)
	var mistakes config.Mistakes
	if !errors.As(err, &mistakes) {
		t.Fatalf("Load returned %v, want Mistakes", err)
	}
	golden.Check(t, "includes/mistakes/golden", err.Error()+"\n")
}

// memory are files in memory.
type memory map[string]string

func (m memory) Glob(pattern string) ([]string, error) {
	if _, err := filepath.Match(pattern, ""); err != nil {
		return nil, err
	}
	var all []string
	for path := range m {
		if matches, _ := filepath.Match(pattern, path); matches {
			all = append(all, path)
		}
	}
	return all, nil
}

func (m memory) Read(path string) ([]byte, error) {
	if text, exists := m[path]; exists {
		return []byte(text), nil
	}
	return nil, os.ErrNotExist
}

func TestIncludeBounds(t *testing.T) {
	many, large := memory{}, memory{}
	for i := range 1001 {
		many[fmt.Sprintf("p/%04d.yaml", i)] = fmt.Sprintf("components: [{id: a/c%d, source: echo, engine: native}]", i)
	}
	for i := range 17 {
		large[fmt.Sprintf("p/%d.yaml", i)] = "defaults: {}\ncomponents: [{id: a/" + string(rune('a'+i)) + ", source: echo, engine: native}]\n#" + strings.Repeat("x", 1<<20-100)
	}
	huge := memory{"p/a.yaml": strings.Repeat("#", config.MaxFileSize+1)}
	const text = "include: [p/*.yaml]"
	for name, c := range map[string]struct {
		files memory
		want  string
	}{
		"many":  {many, "a.yaml:1:11: include[0]: more than 1000 files are included"},
		"large": {large, "a.yaml:1:10: include: the files that it names have more than 16MiB together"},
		"huge":  {huge, "p/a.yaml: the file is larger than 1 MiB"},
	} {
		_, err := config.DecodeWith("a.yaml", []byte(text), built, c.files)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %.200v\nwant %s", name, err, c.want)
		}
	}
	delete(many, "p/0000.yaml")
	f, err := config.DecodeWith("a.yaml", []byte(text), built, many)
	if err != nil || len(f.Components) != 1000 || f.Components[999].ID != core.MustComponentID("a/c1000") {
		t.Errorf("a thousand files: %v", err)
	}
}

// TestManyDefaults: defaults for many components take bounded memory.
func TestManyDefaults(t *testing.T) {
	var text strings.Builder
	text.WriteString("defaults: {config: {")
	for i := range 5000 {
		fmt.Fprintf(&text, "k%d: v,", i)
	}
	text.WriteString("}}\ncomponents:\n")
	for i := range 300 {
		fmt.Fprintf(&text, "- {id: a/c%d, source: x.wasm}\n", i)
	}
	_, err := config.Decode("a.yaml", []byte(text.String()), built)
	if err == nil || !strings.Contains(err.Error(), "defaults: give more than 1000000 values") {
		t.Errorf("got %.200v, want a mistake about the number of values", err)
	}
}
