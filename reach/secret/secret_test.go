package secret_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/secret"
)

var _, _ host.SecretSource = secret.Env(""), secret.File("")

// TestSources: values are as they are in variables and files, but for one line end, and errors do not tell them.
func TestSources(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string) secret.File {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return secret.File(path)
	}
	variable := func(value string) secret.Env {
		t.Setenv("AIRHOST_TEST_SECRET", value)
		return "AIRHOST_TEST_SECRET"
	}
	long := strings.Repeat("x", core.MaxSecret)
	for _, test := range []struct {
		name        string
		source      host.SecretSource
		want, wrong string
	}{
		{"a file", file("a", "key\n"), "key", ""},
		{"a file of Windows", file("b", "key\r\n"), "key", ""},
		{"lines", file("c", "\n one \ntwo\n\n"), "\n one \ntwo\n", ""},
		{"the longest one", file("d", long+"\r\n"), long, ""},
		{"too long", file("e", long+"s3cr3t"), "", "it has more than 65536 bytes"},
		{"empty", file("f", ""), "", "it is empty"},
		{"a line end", file("g", "\n"), "", "it is empty"},
		{"no UTF-8", file("h", "s3cr3t\xff"), "", "it is not UTF-8"},
		{"no file", secret.File(filepath.Join(folder, "none")), "", "no such file"},
		{"a folder", secret.File(folder), "", "want a regular file"},
	} {
		check(t, test.name, test.source, test.want, test.wrong)
	}
	check(t, "a variable", variable("key\n"), "key\n", "")
	check(t, "a long variable", variable(long+"s3cr3t"), "", "it has more than 65536 bytes")
	check(t, "an empty variable", variable(""), "", "it is empty")
	check(t, "a variable without UTF-8", variable("s3cr3t\xff"), "", "it is not UTF-8")
	check(t, "no variable", secret.Env("AIRHOST_TEST_NONE"), "", "is not set")
}

func check(t *testing.T, name string, source host.SecretSource, want, wrong string) {
	t.Helper()
	got, err := source.ReadSecret()
	switch {
	case got != want:
		t.Errorf("%s: got %d bytes, want %d", name, len(got), len(want))
	case wrong == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong) || strings.Contains(err.Error(), "s3cr3t")):
		t.Errorf("%s: got %v, want %s", name, err, wrong)
	}
}

func TestReadableByOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		if err := os.WriteFile(path, []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if got := secret.File(path).ReadableByOthers(); got != want {
			t.Errorf("%o: got %v", mode, got)
		}
	}
}
