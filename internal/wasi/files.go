package wasi

import "github.com/airhost/airhost/core"

// files are the open files and directories of a guest, for both versions of WASI.
type files struct {
	granted core.Files               // nil if the guest has none
	began   bool                     // the following are set
	roots   []*descriptor            // the directories that were granted, in order
	table   []*descriptor            // of preview 1, from the file descriptor 3 on; nil where there is none
	open    map[*descriptor]struct{} // those with a file, to be closed at the end
	one     core.FileCall            // of the call in progress
	chunk   []byte                   // see Instance.chunk
}

// descriptor is an open file or directory.
type descriptor struct {
	file core.File // nil if it is granted, and not open yet
	uses int       // handles, file descriptors and streams
	root int       // the index of a directory that was granted, or -1
	as   string    // the path of such a directory

	directory, read, write bool

	atEnd bool  // preview 1: it writes at the end
	at    int64 // preview 1: where it reads and writes
}

// beginFiles prepares the directories that the guest was granted.
func (in *Instance) beginFiles() {
	f := &in.files
	if f.began {
		return
	}
	f.began, f.open = true, make(map[*descriptor]struct{})
	if f.granted == nil {
		return
	}
	for i, d := range f.granted.Directories() {
		root := &descriptor{uses: 1, root: i, as: d.As, directory: true, read: true, write: d.Write} // its one use never ends
		f.roots = append(f.roots, root)
		f.table = append(f.table, root)
	}
}

// Close closes all files of a guest that has ended.
func (in *Instance) Close() {
	for d := range in.files.open {
		_ = d.file.Close() // a guest that wants to know syncs
	}
	in.files = files{}
}

// do calls a file. The call is in in.files.one.
func (in *Instance) do(d *descriptor) error {
	if d.file == nil {
		if d.root < 0 {
			return &core.FileError{Code: core.FileBadDescriptor}
		}
		file, err := in.files.granted.OpenDirectory(d.root)
		if err != nil {
			return err
		}
		d.file = file
		in.files.open[d] = struct{}{}
	}
	return d.file.Do(&in.files.one)
}

// fileCall returns the call for a file, without arguments.
func (in *Instance) fileCall(kind core.FileCallKind) *core.FileCall {
	in.files.one = core.FileCall{Kind: kind}
	return &in.files.one
}

// other makes another directory the one that a path goes to.
func (in *Instance) other(d *descriptor) error {
	if d.file == nil {
		kept := in.files.one
		in.fileCall(core.FileStatus)
		if err := in.do(d); err != nil {
			return err
		}
		in.files.one = kept
	}
	in.files.one.To = d.file
	return nil
}

// opened returns the descriptor of the file that the call has opened.
func (in *Instance) opened(mode core.FileMode) (*descriptor, error) {
	d := &descriptor{file: in.files.one.Opened, uses: 1, root: -1, read: mode.Read, write: mode.Write}
	in.files.open[d] = struct{}{}
	in.fileCall(core.FileStatus)
	err := in.do(d)
	if err != nil {
		in.unuse(d)
		return nil, err
	}
	d.directory = in.files.one.Stat.Type == core.FileTypeDirectory
	return d, nil
}

// unuse ends a use of a descriptor, which is closed with its last one.
func (in *Instance) unuse(d *descriptor) {
	if d.uses--; d.uses == 0 && d.root < 0 {
		_ = d.file.Close() // a guest that wants to know syncs
		delete(in.files.open, d)
	}
}

// Bounds of the bytes that one call reads or writes.
const (
	maxFileRead = 1 << 20
	maxStreamed = 64 << 10 // where the bytes are copied
)

// readFile reads into a part of the guest's memory.
func (in *Instance) readFile(d *descriptor, b []byte, at int64) (n int, err error) {
	call := in.fileCall(core.FileRead)
	call.Data, call.Offset = b, at
	err = in.do(d)
	return in.files.one.N, err
}

// writeFile writes a part of the guest's memory.
func (in *Instance) writeFile(d *descriptor, b []byte, at int64) (n int, err error) {
	call := in.fileCall(core.FileWrite)
	call.Data, call.Offset = b, at
	err = in.do(d)
	return in.files.one.N, err
}

// status returns the properties of a file.
func (in *Instance) status(d *descriptor) (*core.FileStat, error) {
	in.fileCall(core.FileStatus)
	err := in.do(d)
	return &in.files.one.Stat, err
}
