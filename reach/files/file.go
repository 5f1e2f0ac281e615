package files

import (
	"errors"
	"io"
	"math"
	"os"

	"github.com/airhost/airhost/core"
)

// file is an open regular file.
type file struct {
	tree        *tree
	os          *os.File // nil once it is closed
	id          identity
	node        *node
	read, write bool
}

var _ core.File = (*file)(nil)

// Close implements [core.File].
func (f *file) Close() error {
	if f.os == nil {
		return nil
	}
	err := f.os.Close()
	f.os = nil
	f.tree.closed(f.id)
	f.tree.release()
	return err
}

// Do implements [core.File].
func (f *file) Do(call *core.FileCall) error {
	if f.os == nil {
		return &core.FileError{Code: core.FileBadDescriptor}
	}
	if call.Path != "" {
		return &core.FileError{Code: core.FileNotDirectory}
	}
	if err := f.do(call); err != nil {
		return fileError(err)
	}
	return nil
}

func (f *file) do(call *core.FileCall) (err error) {
	switch call.Kind {
	case core.FileRead:
		return f.readAt(call)
	case core.FileStatus:
		info, err := f.os.Stat()
		if err == nil {
			call.Stat = statOf(info)
		}
		return err
	case core.FileSync:
		return f.os.Sync()
	case core.FileSetTimes:
		return setTimes(f.os, call.Accessed, call.Modified)
	case core.FileWrite, core.FileSetSize, core.FileAllocate:
		if !f.write {
			return &core.FileError{Code: core.FileBadDescriptor, Text: "it is not open for writing"}
		}
		f.tree.mu.Lock()
		defer f.tree.mu.Unlock()
		return f.changeLocked(call)
	}
	return &core.FileError{Code: core.FileNotDirectory}
}

func (f *file) readAt(call *core.FileCall) (err error) {
	if !f.read {
		return &core.FileError{Code: core.FileBadDescriptor, Text: "it is not open for reading"}
	}
	if call.Offset < 0 {
		return &core.FileError{Code: core.FileInvalid}
	}
	call.N, err = f.os.ReadAt(call.Data, call.Offset)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// changeLocked writes, or sets the size, if the tree has room for it.
func (f *file) changeLocked(call *core.FileCall) error {
	info, err := f.os.Stat()
	if err != nil {
		return err
	}
	size, end := info.Size(), call.Size
	at := call.Offset
	if call.Kind == core.FileWrite {
		if at == core.AtEnd {
			at = size
		}
		if at < 0 {
			return &core.FileError{Code: core.FileInvalid}
		}
		if at > math.MaxInt64-int64(len(call.Data)) {
			return &core.FileError{Code: core.FileTooLarge}
		}
		end = max(size, at+int64(len(call.Data)))
	} else if end < 0 {
		return &core.FileError{Code: core.FileInvalid}
	}
	if call.Kind == core.FileAllocate {
		end = max(size, end)
	}
	if err := f.roomLocked(call, end-size); err != nil {
		return err
	}
	if call.Kind == core.FileWrite {
		if len(call.Data) > 0 {
			call.N, err = f.os.WriteAt(call.Data, at)
		}
		end = max(size, at+int64(call.N))
	} else if end != size {
		err = f.os.Truncate(end)
	}
	if err == nil || call.N > 0 {
		f.tree.resizedLocked(f.node, end-size)
	}
	if call.N > 0 { // the guest writes the rest, and gets the error then
		return nil
	}
	return err
}

// roomLocked is that of the tree, which is counted anew by its path.
func (f *file) roomLocked(call *core.FileCall, bytes int64) error {
	if bytes <= 0 || f.tree.fitsLocked(call, bytes, 0) {
		return nil
	}
	root, err := os.OpenRoot(f.tree.path)
	if err != nil {
		return err
	}
	defer root.Close() // it is read only
	return f.tree.roomLocked(root, call, bytes, 0)
}
