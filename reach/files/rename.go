package files

import (
	"io/fs"
	"os"
	"strings"

	"github.com/airhost/airhost/core"
)

// renameLocked renames a file of d within the tree.
func (t *tree) renameLocked(d *directory, call *core.FileCall) error {
	to, ours := call.To.(*directory)
	switch {
	case !ours:
		return &core.FileError{Code: core.FileNotDirectory}
	case to.root == nil:
		return &core.FileError{Code: core.FileBadDescriptor}
	case to.tree != t:
		return &core.FileError{Code: core.FileCrossDevice, Text: "it is another directory of the host"}
	}
	old, err := d.root.Lstat(call.Path)
	if err != nil {
		return err
	}
	if strings.HasSuffix(call.ToPath, "/") && !old.IsDir() {
		return &core.FileError{Code: core.FileNotDirectory}
	}
	replaced, err := to.root.Lstat(strings.TrimRight(call.ToPath, "/"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if err = d.rename(call.Path, to, call.ToPath); err == nil && replaced != nil && !os.SameFile(old, replaced) {
		t.removedLocked(replaced)
	}
	return err
}

// rename renames by the directories that the two names are in.
func (d *directory) rename(path string, to *directory, toPath string) error {
	from, name, err := d.parent(path)
	if err != nil {
		return err
	}
	defer from.Close() // it is read only
	target, newName, err := to.parent(toPath)
	if err != nil {
		return err
	}
	defer target.Close() // it is read only
	return renameAt(from.Fd(), name, target.Fd(), newName)
}

// parent opens the directory that a path's last name is in.
func (d *directory) parent(path string) (folder *os.File, name string, err error) {
	path = strings.TrimRight(path, "/")
	name, dir := path, "."
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = path[:i+1], path[i+1:]
	}
	if name == "" || name == "." || name == ".." {
		return nil, "", &fs.PathError{Op: "rename", Path: path, Err: fs.ErrInvalid}
	}
	folder, err = d.openDirectory(dir)
	return folder, name, err
}
