package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/airhost/airhost/internal/config"
)

// inFolder writes files, by their names, and returns the path of the first one.
func inFolder(t *testing.T, files ...string) string {
	t.Helper()
	folder := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(folder, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(folder, files[0])
}

// TestSecretsAreLocated: the file of a secret is relative to the file that names it.
func TestSecretsAreLocated(t *testing.T) {
	t.Setenv("SHOP_KEY", "s3cr3t")
	path := inFolder(t, "airhost.yaml", "include: [parts/*.yaml]\ncomponents: [{id: a/b, source: echo, engine: native, secrets: {key: {file: key}, env: {env: SHOP_KEY}}}]",
		"key", "s3cr3t\n", "parts/c.yaml", "components: [{id: a/c, source: echo, engine: native, secrets: {key: {file: ./key}}}]", "parts/key", "s3cr3t")
	f, err := config.Load(path, built)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(path)
	want := []config.Secrets{
		{"key": {File: filepath.Join(folder, "key")}, "env": {Env: "SHOP_KEY"}},
		{"key": {File: filepath.Join(folder, "parts", "key")}},
	}
	if diff := cmp.Diff(want, []config.Secrets{f.Components[0].Secrets, f.Components[1].Secrets}); diff != "" {
		t.Error(diff)
	}
	if got := f.Warnings(); got != nil {
		t.Errorf("warnings: %v", got)
	}
	if err := os.Chmod(filepath.Join(folder, "key"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := f.Warnings()
	if len(got) != 1 || got[0].Path != "components[0].secrets.key.file" || !strings.Contains(got[0].Text, "chmod o-r") {
		t.Errorf("warnings: %v", got)
	}
	t.Chdir(folder)
	if f, err = config.Load("airhost.yaml", built); err != nil {
		t.Fatal(err)
	}
	if f, err = f.Absolute(); err != nil || f.Components[0].Secrets["key"].File != filepath.Join(folder, "key") {
		t.Errorf("got %v, %v", f.Components[0].Secrets, err)
	}
}

// TestSecretsAreRead: a secret that cannot be read is a mistake at its place, which does not tell the value.
func TestSecretsAreRead(t *testing.T) {
	t.Setenv("SHOP_EMPTY", "")
	t.Setenv("SHOP_BYTES", "s3cr3t\xff")
	for _, test := range []struct{ source, place, want string }{
		{"{env: SHOP_NONE}", ".env", "SHOP_NONE is not set in the environment of airhost"},
		{"{env: SHOP_EMPTY}", ".env", "it is empty"},
		{"{env: SHOP_BYTES}", ".env", "it is not UTF-8"},
		{"{file: none}", ".file", "no such file"},
		{"{file: .}", ".file", "want a regular file"},
		{"{file: empty}", ".file", "it is empty"},
		{"{file: bytes}", ".file", "it is not UTF-8"},
		{"{file: large}", ".file", "it has more than 65536 bytes"},
	} {
		_, err := config.Load(inFolder(t, "airhost.yaml", "components: [{id: a/b, source: echo, engine: native, secrets: {key: "+test.source+"}}]",
			"empty", "\n", "bytes", "s3cr3t\xff", "large", strings.Repeat("s3cr3t", 11<<10)), built)
		mistakes, _ := err.(config.Mistakes)
		if len(mistakes) != 1 || mistakes[0].Path != "components[0].secrets.key"+test.place || mistakes[0].Line != 1 ||
			!strings.Contains(mistakes[0].Text, test.want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: got %v", test.source, err)
		}
	}
}

// TestSecretsDiffer: a difference tells where secrets come from.
func TestSecretsDiffer(t *testing.T) {
	old := config.Component{Secrets: config.Secrets{"a": {Env: "A"}, "b": {File: "b"}, "same": {Env: "S"}}}
	next := config.Component{Secrets: config.Secrets{"a": {File: "a"}, "c": {Env: "C"}, "same": {Env: "S"}}}
	want := []config.Difference{{"secrets.a", "{env: A}", "{file: a}"}, {"secrets.b", "{file: b}", "-"}, {"secrets.c", "-", "{env: C}"}}
	if diff := cmp.Diff(want, config.Differences(&old, &next)); diff != "" {
		t.Error(diff)
	}
}

// TestTooManySecrets: a component has 64 secrets at most.
func TestTooManySecrets(t *testing.T) {
	many := func(n int) string {
		keys := make([]string, n)
		for i := range keys {
			keys[i] = strings.Repeat("k", i+1) + ": {env: HOME}"
		}
		return "components: [{id: a/b, source: echo, engine: native, secrets: {" + strings.Join(keys, ", ") + "}}]"
	}
	if _, err := config.Decode("f.yaml", []byte(many(64)), built); err != nil {
		t.Error(err)
	}
	if _, err := config.Decode("f.yaml", []byte(many(65)), built); err == nil || !strings.Contains(err.Error(), "at most 64") {
		t.Errorf("got %v", err)
	}
}
