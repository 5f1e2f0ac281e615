package admin

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestDefaultSocket: the socket is named by the file, in the folder of the user's runtime files
// or else beside the file.
func TestDefaultSocket(t *testing.T) {
	folder, runtime := t.TempDir(), t.TempDir()
	t.Chdir(folder)
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ runtime, file, in, name, of string }{
		{runtime, "shop.yaml", filepath.Join(runtime, "airhost"), "shop.yaml", "shop.yaml"},
		{runtime, filepath.Join(folder, "shop.yaml"), filepath.Join(runtime, "airhost"), "shop.yaml", "shop.yaml"},
		{runtime, "./x/../shop.yaml", filepath.Join(runtime, "airhost"), "shop.yaml", "shop.yaml"},
		{"", "shop.yml", folder, "shop.yml", "shop.yml"},
		{"", "x/shop.prod.yaml", filepath.Join(folder, "x"), "shop.prod.yaml", "x/shop.prod.yaml"},
		{"", "shop.conf", folder, "shop.conf", "shop.conf"},
		{"not/absolute", "shop.yaml", folder, "shop.yaml", "shop.yaml"},
	} {
		t.Setenv("XDG_RUNTIME_DIR", test.runtime)
		sum := sha256.Sum256([]byte(filepath.Join(folder, test.of)))
		want := filepath.Join(test.in, fmt.Sprintf("%s-%x.sock", test.name, sum[:4]))
		if got, err := DefaultSocket(test.file); err != nil || got != want {
			t.Errorf("the socket of %s is %s, %v, want %s", test.file, got, err, want)
		}
	}
}

// TestSymbolicLinksAreNotResolved: each name of a file is a host of its own.
func TestSymbolicLinksAreNotResolved(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "")
	file, link := filepath.Join(t.TempDir(), "shop.yaml"), filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Skip(err)
	}
	if got, err := DefaultSocket(link); err != nil || filepath.Dir(got) != filepath.Dir(link) {
		t.Errorf("the socket of %s is %s, %v, want it beside the link", link, got, err)
	}
}
