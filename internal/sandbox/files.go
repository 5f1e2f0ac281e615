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
	s.outside(func() { opened, err = core.FilesOf(&s.Env).OpenDirectory(i) })
	if err != nil {
		return nil, err
	}
	return &guestFile{s, opened}, nil
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
	f.guest.outside(func() { err = f.File.Do(call) })
	if err == nil && call.Opened != nil {
		call.Opened = &guestFile{f.guest, call.Opened}
	}
	return err
}
