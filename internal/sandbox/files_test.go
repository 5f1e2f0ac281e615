package sandbox

import (
	"testing"

	"github.com/airhost/airhost/core"
)

// shelf is a directory. It interrupts its guest while it is opened, or while a file in it is.
type shelf struct {
	core.Services
	core.File
	guest        *State
	patient      bool // it is opened before the interrupt
	open, closed int
}

func (s *shelf) Directories() []core.FileDirectory { return nil }

func (s *shelf) OpenDirectory(int) (core.File, error) {
	if s.open++; !s.patient {
		s.guest.Interrupt()
	}
	return s, nil
}

func (s *shelf) Do(call *core.FileCall) error {
	s.open++
	call.Opened = s
	s.guest.Interrupt()
	return nil
}

func (s *shelf) Close() error { s.closed++; return nil }

// TestOpenedForNobody: a guest that is interrupted while it opens a file does not get it, and the file
// is closed.
func TestOpenedForNobody(t *testing.T) {
	for _, patient := range []bool{false, true} {
		s := &State{Phase: Handling}
		files := &shelf{guest: s, patient: patient}
		s.Env.Host, s.Env.Files, s.Env.Limits = files, files, core.Limits{}.WithDefaults()
		func() {
			defer func() {
				if reason := recover(); reason != errInterrupted {
					t.Errorf("got %v, want %v", reason, errInterrupted)
				}
			}()
			opened, err := (*wasiGuest)(s).OpenDirectory(0)
			if err != nil {
				t.Fatal(err)
			}
			_ = opened.Do(&core.FileCall{Kind: core.FileOpen}) // it does not return
		}()
		granted := 0 // the guest has it, and its end closes it
		if patient {
			granted = 1
		}
		if files.closed != files.open-granted {
			t.Errorf("%d files were opened, and %d closed", files.open, files.closed)
		}
	}
}
