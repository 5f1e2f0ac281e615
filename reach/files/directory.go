package files

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/airhost/airhost/core"
)

// directory is an open directory. Nothing that is done by its paths leaves it.
type directory struct {
	tree *tree
	root *os.Root // nil once it is closed
	list listing
}

var _ core.File = (*directory)(nil)

// Close implements [core.File].
func (d *directory) Close() error {
	if d.root == nil {
		return nil
	}
	d.list.close()
	err := d.root.Close()
	d.root = nil
	d.tree.release()
	return err
}

// Do implements [core.File].
func (d *directory) Do(call *core.FileCall) error {
	if d.root == nil {
		return &core.FileError{Code: core.FileBadDescriptor}
	}
	if err := d.check(call); err != nil {
		return err
	}
	err := error(nil)
	if call.Changes() {
		err = d.change(call)
	} else {
		err = d.look(call)
	}
	if err != nil {
		return fileError(err)
	}
	return nil
}

// maxPath is the longest path, in bytes.
const maxPath = 4096

// check checks the paths of a call.
func (d *directory) check(call *core.FileCall) error {
	for _, path := range []string{call.Path, call.ToPath, call.Text} {
		switch {
		case len(path) > maxPath:
			return &core.FileError{Code: core.FileNameTooLong}
		case strings.IndexByte(path, 0) >= 0:
			return &core.FileError{Code: core.FileInvalid, Text: "a path has a zero byte"}
		}
	}
	switch call.Kind {
	case core.FileRead, core.FileWrite, core.FileSetSize, core.FileAllocate:
		return &core.FileError{Code: core.FileIsDirectory}
	case core.FileList, core.FileSync:
		return nil
	case core.FileStatus, core.FileSetTimes:
		if call.Path == "" { // the directory itself
			call.Path, call.Follow = ".", true
		}
	}
	if call.Path == "" || (call.Kind == core.FileRename || call.Kind == core.FileLink) && call.ToPath == "" {
		return &core.FileError{Code: core.FileNoEntry, Text: "the path is empty"}
	}
	return nil
}

// look does a call that changes nothing.
func (d *directory) look(call *core.FileCall) (err error) {
	switch call.Kind {
	case core.FileList:
		call.Entries, err = d.list.from(d.root, call.Offset)
	case core.FileSync:
		err = d.sync()
	case core.FileStatus:
		call.Stat, err = d.status(call.Path, call.Follow)
	case core.FileReadLink:
		call.Text, err = d.root.Readlink(call.Path)
	case core.FileOpen:
		call.Opened, err = d.open(call)
	}
	return err
}

func (d *directory) sync() error {
	f, err := d.openDirectory(".")
	if err == nil {
		err = f.Sync()
		_ = f.Close() // it was read only
	}
	return err
}

// openDirectory opens a directory, and nothing else.
func (d *directory) openDirectory(path string) (*os.File, error) {
	return d.root.OpenFile(path, os.O_RDONLY|onlyDirectory|noWait, 0)
}

func (d *directory) info(path string, follow bool) (fs.FileInfo, error) {
	if follow {
		return d.root.Stat(path)
	}
	return d.root.Lstat(path)
}

func (d *directory) status(path string, follow bool) (core.FileStat, error) {
	info, err := d.info(path, follow)
	if err != nil {
		return core.FileStat{}, err
	}
	return statOf(info), nil
}

func statOf(info fs.FileInfo) core.FileStat {
	id, links := identify(info)
	accessed, changed := times(info)
	return core.FileStat{
		Type: typeOf(info.Mode()), Links: max(1, links), Size: info.Size(), Device: id.device, Inode: id.inode,
		Accessed: accessed, Modified: info.ModTime(), Changed: changed,
	}
}

func typeOf(mode fs.FileMode) core.FileType {
	switch mode.Type() {
	case 0:
		return core.FileTypeRegular
	case fs.ModeDir:
		return core.FileTypeDirectory
	case fs.ModeSymlink:
		return core.FileTypeSymlink
	case fs.ModeNamedPipe:
		return core.FileTypeFIFO
	case fs.ModeSocket:
		return core.FileTypeSocket
	case fs.ModeDevice:
		return core.FileTypeBlock
	case fs.ModeDevice | fs.ModeCharDevice:
		return core.FileTypeCharacter
	}
	return core.FileTypeUnknown
}

// change does a call that changes something. One at a time does so in a tree.
func (d *directory) change(call *core.FileCall) (err error) {
	t := d.tree
	t.mu.Lock()
	defer t.mu.Unlock()
	switch call.Kind {
	case core.FileOpen:
		call.Opened, err = t.openLocked(d, call)
	case core.FileSetTimes:
		err = d.setTimes(call)
	case core.FileMakeDirectory:
		err = t.addLocked(d, call, func() error { return d.root.Mkdir(call.Path, 0o777) })
	case core.FileSymlink:
		if err = checkTarget(call.Text); err == nil {
			err = t.addLocked(d, call, func() error { return d.root.Symlink(call.Text, call.Path) })
		}
	case core.FileLink:
		err = &core.FileError{Code: core.FileNotPermitted, Text: "a component makes no hard links: copy the file"}
	case core.FileRemove, core.FileRemoveFolder:
		err = t.removeLocked(d, call)
	case core.FileRename:
		err = t.renameLocked(d, call)
	}
	return err
}

// checkTarget checks where a symbolic link points: to something below it, so that it leads out of no
// directory, wherever it is moved.
func checkTarget(target string) error {
	switch {
	case target == "":
		return &core.FileError{Code: core.FileNoEntry, Text: "a link to nothing"}
	case filepath.IsAbs(target) || target[0] == '/':
		return &core.FileError{Code: core.FileNotPermitted, Text: "a component makes no links to absolute paths: use a path relative to the link"}
	}
	for part := range strings.FieldsFuncSeq(target, func(r rune) bool { return r == '/' || r == filepath.Separator }) {
		if part == ".." {
			return &core.FileError{Code: core.FileNotPermitted, Text: "a component makes no links with .. in them: link to what is in the same directory, or below"}
		}
	}
	return nil
}

// addLocked makes a new entry in d.
func (t *tree) addLocked(d *directory, call *core.FileCall, do func() error) error {
	if err := t.roomLocked(call, 0, 1); err != nil {
		return err
	}
	err := do()
	if err == nil {
		t.entries++
	}
	return err
}

// removeLocked removes an entry of d.
func (t *tree) removeLocked(d *directory, call *core.FileCall) error {
	info, err := d.root.Lstat(call.Path)
	switch {
	case err != nil:
		return err
	case call.Kind == core.FileRemove && info.IsDir():
		return &core.FileError{Code: core.FileIsDirectory}
	case call.Kind == core.FileRemoveFolder && !info.IsDir():
		return &core.FileError{Code: core.FileNotDirectory}
	}
	if err = d.root.Remove(call.Path); err == nil {
		t.removedLocked(info)
	}
	return err
}

func (d *directory) setTimes(call *core.FileCall) error {
	if !call.Follow {
		info, err := d.root.Lstat(call.Path)
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			err = &core.FileError{Code: core.FileUnsupported}
		}
		if err != nil {
			return err
		}
	}
	return d.root.Chtimes(call.Path, call.Accessed, call.Modified)
}
