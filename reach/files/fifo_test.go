//go:build unix

package files

import (
	"syscall"
	"testing"
)

func fifo(t *testing.T, path string) { check(t, syscall.Mkfifo(path, 0o666)) }
