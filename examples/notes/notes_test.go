package notes_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/airhost/airhost/examples/notes"
	"github.com/airhost/airhost/guest/guesttest"
)

func TestNotes(t *testing.T) {
	host := &guesttest.Host{Directories: map[string]string{"/templates": "templates", "/pages": t.TempDir()}}
	got, err := notes.New().HandleMessage(host, "demo/web", []byte("eve tea, please"))
	if string(got) != "eve says: tea, please" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	page, err := os.ReadFile(filepath.Join(host.Directories["/pages"], "eve.txt"))
	if string(page) != string(got) || err != nil {
		t.Errorf("the page is %q, %v", page, err)
	}
	if _, err = notes.New().HandleMessage(host, "demo/web", []byte("../eve x")); err == nil {
		t.Error("a page was written somewhere else")
	}
	if _, err = notes.New().HandleMessage(new(guesttest.Host), "demo/web", []byte("eve x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without directories: %v", err)
	}
}
