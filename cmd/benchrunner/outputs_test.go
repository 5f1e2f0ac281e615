package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

// added are outputs with one file.
func added(t *testing.T, path string) *outputs {
	t.Helper()
	o := &outputs{stdout: io.Discard}
	if err := o.add("json", path); err != nil {
		t.Fatal(err)
	}
	return o
}

// only checks that the folder holds these files, by their names, and no other.
func only(t *testing.T, folder string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != len(want) {
		t.Errorf("got %v, %v; want %v", entries, err, want)
	}
	for name, text := range want {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(got) != text {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, text)
		}
	}
}

func TestOutputsAreReplacedAsAWhole(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "x")
	o := added(t, path)
	only(t, folder, nil) // checking leaves nothing
	if err := o.write("json", path, false, text("cut")); err != nil {
		t.Error(err)
	}
	only(t, folder, map[string]string{"x": "cut"})
	if err := errors.Join(os.WriteFile(path, []byte("old"), 0o600), os.Chmod(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	failing := errors.New("failing")
	half := func(w io.Writer) error { return errors.Join(text("half")(w), failing) }
	if err := o.write("json", path, true, half); !errors.Is(err, failing) {
		t.Errorf("got %v, want the writer's error", err)
	}
	only(t, folder, map[string]string{"x": "old"})
	if err := o.write("json", path, false, text("cut")); err == nil || !strings.Contains(err.Error(), "x.cut") {
		t.Errorf("cut short: got %v, want an error that names the other file", err)
	}
	only(t, folder, map[string]string{"x": "old", "x.cut": "cut"})
	if err := o.write("json", path, true, text("new")); err != nil {
		t.Error(err)
	}
	only(t, folder, map[string]string{"x": "new", "x.cut": "cut"})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v; want the permissions of the file that was replaced", info.Mode(), err)
	}
}

func TestOutputsFollowLinks(t *testing.T) {
	folder := t.TempDir()
	link := filepath.Join(folder, "link")
	if err := os.Symlink("there", link); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"first", "second"} { // a link to nothing, and to a file
		if err := added(t, link).write("json", link, true, text(s)); err != nil {
			t.Error(err)
		}
		only(t, folder, map[string]string{"link": s, "there": s})
	}
	o := added(t, link)
	if err := o.add("csv", filepath.Join(folder, "there")); err == nil || !strings.Contains(err.Error(), "--json and --csv are both") {
		t.Errorf("a link and its target: got %v, want an error", err)
	}
}

// A file that is open already is written directly.
func TestOutputsIntoOpenFiles(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, path := range []string{"-", "/dev/stdout", "/dev/null"} {
		o := &outputs{stdout: w}
		if path == "/dev/stdout" {
			path = "/proc/self/fd/" + fmt.Sprint(w.Fd())
		}
		if _, err := os.Stat(path); err != nil && path != "-" {
			t.Skip(err)
		}
		if err := errors.Join(o.add("json", path), o.write("json", path, true, text("x"))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if o.toStandardOutput() != (path != "/dev/null") {
			t.Errorf("%s: whether it is standard output is %v", path, o.toStandardOutput())
		}
	}
	got := make([]byte, 2)
	if _, err := io.ReadFull(r, got); err != nil || string(got) != "xx" {
		t.Errorf("got %q, %v; want both texts", got, err)
	}
}
