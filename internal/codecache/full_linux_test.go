package codecache_test

import (
	"bytes"
	"os/signal"
	"syscall"
	"testing"
)

// TestFullDisk: an entry that does not fit on the disk is not kept. The test
// simulates a full disk by a limit on the size of files, which also makes a write
// fail half way.
func TestFullDisk(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c, log := open(dir, "a")
	limited := before
	limited.Cur = 4096
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited); err != nil {
		t.Fatal(err)
	}
	c.Put(key, make([]byte, 1<<16))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if c.Get(key) != nil || log.warnings() != 1 || len(files(t, dir)) != 0 {
		t.Errorf("got log %s, files %v, want one warning and no file", log, files(t, dir))
	}
	if c.Put(key, code); !bytes.Equal(c.Get(key), code) {
		t.Error("got nothing of a disk that has room again")
	}
}
