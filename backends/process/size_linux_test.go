package process_test

import (
	"testing"

	"github.com/airhost/airhost/core"
)

// TestMemorySize: the size is that of the process, while it lives, and 0 after its death.
func TestMemorySize(t *testing.T) {
	in, _ := startDying(t, "")
	sizer := in.(core.Sizer)
	if size := sizer.MemorySize(false); size < 1<<20 || size > 1<<30 {
		t.Errorf("resident memory of a Go program: got %d bytes", size)
	}
	if err := in.HandleMessage(core.MustComponentID("test/b"), []byte("quietly"), nil); err == nil {
		t.Fatal("the process lives on")
	}
	if size := sizer.MemorySize(true); size != 0 {
		t.Errorf("resident memory of a dead process: got %d bytes", size)
	}
}
