//go:build linux

package allengines

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/airhost/airhost/core/host"
)

// openBelow returns how many descriptors this process has of files below a directory.
func openBelow(t testing.TB, dir string) (n int) {
	real, err := filepath.EvalSymlinks(dir)
	check(t, err)
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(target, real) {
			n++
		}
	}
	return n
}

// TestFilesEnd: whatever ends an instance closes its files.
func TestFilesEnd(t *testing.T) {
	eachFiles(t, func(t *testing.T, engine string, version int) {
		data, readOnly, _ := makeTree(t)
		f := newFilesHost(t, engine, host.FileQuota{}, grants(data, readOnly)...)
		use := func() {
			t.Helper()
			got := f.ask(version, open(0, oRead|oWrite, "in.txt", 2), open(0, oRead|oDirectory, "sub", 3), do('e', 3, 0), open(1, oRead, "r.txt", 4))
			if n := openBelow(t, data); n < 3 || got[0] != "0" || openBelow(t, readOnly) < 2 {
				t.Fatalf("got %q, and %d are open", got, n)
			}
		}
		closed := func(what string) {
			t.Helper()
			if n := openBelow(t, data) + openBelow(t, readOnly); n != 0 {
				t.Errorf("after %s %d are open", what, n)
			}
		}
		use()
		if _, err := f.Request(within(t), id("t/files"), []byte("?\x01\x00\x00\x00\x00\x00\x00")); err == nil {
			t.Error("it did not trap")
		}
		closed("a trap")
		use()
		check(t, f.Restart(within(t), id("t/files")))
		closed("a restart")
		use()
		check(t, f.Replace(within(t), f.d))
		closed("a replacement")
		use()
		check(t, f.Undeploy(within(t), id("t/files")))
		closed("an undeployment")
	})
}
