package sandbox

import (
	"testing"

	"github.com/airhost/airhost/internal/abi"
)

type noGuest struct{ Guest }

func (noGuest) Memory() []byte { return nil }

// TestWASIIsLazy: a guest has no state of WASI before it calls WASI, and none after its
// end.
func TestWASIIsLazy(t *testing.T) {
	s := &State{Phase: Handling}
	s.Bind(noGuest{})
	if s.wasi != nil {
		t.Error("there is a state from the start on")
	}
	stack := make([]uint64, 1)
	stdin := Find("wasi:cli/stdin"+abi.WASI2, "get-stdin")
	for want := range uint64(3) {
		if stdin(s, stack); stack[0] != want+1 {
			t.Errorf("got handle %d, want %d", stack[0], want+1)
		}
	}
	if s.Release(); s.wasi != nil {
		t.Error("the state outlives the guest")
	}
}

// TestWASIGrants: the guest gets the grants of its instance.
func TestWASIGrants(t *testing.T) {
	s := &State{Phase: Handling}
	s.Env.Arguments = []string{"a"}
	memory := make([]byte, 16)
	s.Bind(someGuest{memory: memory})
	stack := []uint64{0, 4}
	Find(abi.WASI, "args_sizes_get")(s, stack)
	if stack[0] != 0 || memory[0] != 1 || memory[4] != 2 {
		t.Errorf("got %d and %v", stack[0], memory)
	}
}

type someGuest struct {
	Guest
	memory []byte
}

func (g someGuest) Memory() []byte { return g.memory }
