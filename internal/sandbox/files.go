package sandbox

import "github.com/airhost/airhost/core"

var errFilesNow = &core.FileError{Code: core.FileNotPermitted, Text: "a guest uses files from the exports of the contract alone, and not from its start function, _initialize, cabi_realloc or a post-return"}

// Directories implements [core.Files].
func (g *wasiGuest) Directories() []core.FileDirectory { return core.FilesOf(&g.Env).Directories() }

// OpenDirectory implements [core.Files].
func (g *wasiGuest) OpenDirectory(i int) (opened core.File, err error) {
	s := (*State)(g)
	if s.Phase != Handling {
		return nil, errFilesNow
	}
	opened = s.opening(func() (made core.File) {
		made, err = core.FilesOf(&s.Env).OpenDirectory(i)
		return made
	})
	if err != nil {
		return nil, err
	}
	return &guestFile{s, opened}, nil
}

// opening is outside for a call that may open a file. If the guest's call must end then, nobody
// gets the file, and it is closed.
func (s *State) opening(call func() core.File) core.File {
	var opened core.File
	got := false
	defer func() {
		if !got && opened != nil {
			_ = opened.Close() // nothing was written
		}
	}()
	s.outside(func() { opened = call() })
	got = true
	return opened
}

// guestFile is a file of a guest.
type guestFile struct {
	guest *State
	core.File
}

// Do implements [core.File].
func (f *guestFile) Do(call *core.FileCall) (err error) {
	if f.guest.Phase != Handling {
		return errFilesNow
	}
	if to, ours := call.To.(*guestFile); ours {
		call.To = to.File
	}
	opened := f.guest.opening(func() core.File {
		if err = f.File.Do(call); err != nil {
			return nil
		}
		return call.Opened
	})
	if opened != nil {
		call.Opened = &guestFile{f.guest, opened}
	}
	return err
}
