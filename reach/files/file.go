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
	err := f.tree.close(f)
	f.os = nil
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
		t := f.tree
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.changeLocked(f, call)
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

// changeLocked writes to f, or sets its size, if the tree has room for it.
func (t *tree) changeLocked(f *file, call *core.FileCall) error {
	info, err := f.os.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	at, end, err := span(call, size)
	if err == nil {
		err = t.roomLocked(call, end-size, 0)
	}
	switch {
	case err != nil:
		return err
	case call.Kind == core.FileWrite:
		if len(call.Data) > 0 {
			call.N, err = f.os.WriteAt(call.Data, at)
		}
		end = max(size, at+int64(call.N))
	case end != size:
		err = f.os.Truncate(end)
	}
	if err == nil || call.N > 0 {
		t.resizedLocked(f.node, end-size)
	}
	if call.N > 0 { // the guest writes the rest, and gets the error then
		return nil
	}
	return err
}

// span returns where a call writes to a file of this size, and the size that the file has then.
func span(call *core.FileCall, size int64) (at, end int64, err error) {
	at, end = call.Offset, call.Size
	if call.Kind == core.FileWrite {
		if at == core.AtEnd {
			at = size
		}
		if at > math.MaxInt64-int64(len(call.Data)) {
			return 0, 0, &core.FileError{Code: core.FileTooLarge}
		}
		end = at + int64(len(call.Data))
	}
	if at < 0 || end < 0 {
		return 0, 0, &core.FileError{Code: core.FileInvalid}
	}
	if call.Kind != core.FileSetSize {
		end = max(size, end)
	}
	return at, end, nil
}
