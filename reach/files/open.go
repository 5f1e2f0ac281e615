package files

import (
	"io/fs"
	"os"

	"github.com/airhost/airhost/core"
)

// open opens a file or directory. The tree's lock is not held.
func (d *directory) open(call *core.FileCall) (core.File, error) {
	t := d.tree
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.openLocked(d, call)
}

// openLocked opens a file or directory of d, if there may be one more.
func (t *tree) openLocked(d *directory, call *core.FileCall) (core.File, error) {
	if err := t.system.add(t); err != nil {
		return nil, err
	}
	opened, err := t.findLocked(d, call)
	if err != nil {
		t.release()
		return nil, err
	}
	return opened, nil
}

// findLocked opens a file or directory that is there, or makes it.
func (t *tree) findLocked(d *directory, call *core.FileCall) (core.File, error) {
	mode := call.Mode
	info, err := d.info(call.Path, call.Follow)
	switch {
	case os.IsNotExist(err) && mode.Create && !mode.Directory:
		return t.createLocked(d, call)
	case err != nil:
		return nil, err
	case mode.Create && mode.Exclusive:
		return nil, &core.FileError{Code: core.FileExist}
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, &core.FileError{Code: core.FileLoop, Text: "it is a symbolic link"}
	case info.IsDir():
		return d.openFolder(call)
	case mode.Directory:
		return nil, &core.FileError{Code: core.FileNotDirectory}
	case !info.Mode().IsRegular():
		return nil, errSpecial
	}
	return t.openFileLocked(d, call, info, 0)
}

var errSpecial = &core.FileError{Code: core.FileNotPermitted, Text: "it is a device, a FIFO or a socket: only files and directories can be opened"}

// openFolder opens a directory. The dot makes the system refuse whatever is there by now and is none.
func (d *directory) openFolder(call *core.FileCall) (core.File, error) {
	if call.Mode.Write || call.Mode.Truncate || call.Mode.Create && !call.Mode.Directory {
		return nil, &core.FileError{Code: core.FileIsDirectory}
	}
	root, err := d.root.OpenRoot(call.Path + "/.")
	if err != nil {
		return nil, err
	}
	return &directory{tree: d.tree, root: root}, nil
}

// createLocked makes a file in d.
func (t *tree) createLocked(d *directory, call *core.FileCall) (core.File, error) {
	if err := t.roomLocked(call, 0, 1); err != nil {
		return nil, err
	}
	flags := os.O_CREATE
	if call.Mode.Exclusive || !call.Follow {
		flags |= os.O_EXCL
	}
	f, err := t.openFileLocked(d, call, nil, flags)
	if err == nil {
		t.entries++
	}
	return f, err
}

// openFileLocked opens a regular file of d, which is to be the same as a known one.
func (t *tree) openFileLocked(d *directory, call *core.FileCall, known fs.FileInfo, flags int) (core.File, error) {
	switch {
	case call.Mode.Write && call.Mode.Read:
		flags |= os.O_RDWR
	case call.Mode.Write || call.Mode.Truncate:
		flags |= os.O_WRONLY
	}
	f, err := d.root.OpenFile(call.Path, flags|noWait, 0o666)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errSpecial
	case known != nil && !os.SameFile(info, known):
		err = &core.FileError{Code: core.FileLoop, Text: "it became another file while it was opened: try again"}
	case call.Mode.Truncate && info.Size() > 0:
		err = f.Truncate(0)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	id, _ := identify(info)
	opened := &file{tree: t, os: f, id: id, node: t.openedLocked(id), read: call.Mode.Read, write: call.Mode.Write}
	if call.Mode.Truncate {
		t.resizedLocked(opened.node, -info.Size())
	}
	return opened, nil
}
