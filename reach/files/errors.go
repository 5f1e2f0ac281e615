package files

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/airhost/airhost/core"
)

// codes are the codes of errors of the system.
var codes = map[syscall.Errno]core.FileErrorCode{
	syscall.EACCES: core.FileAccess, syscall.EAGAIN: core.FileWouldBlock, syscall.EBADF: core.FileBadDescriptor,
	syscall.EBUSY: core.FileBusy, syscall.EDQUOT: core.FileInsufficientSpace, syscall.EEXIST: core.FileExist,
	syscall.EFBIG: core.FileTooLarge, syscall.EILSEQ: core.FileIllegalByteSequence, syscall.EINTR: core.FileInterrupted,
	syscall.EINVAL: core.FileInvalid, syscall.EISDIR: core.FileIsDirectory, syscall.ELOOP: core.FileLoop,
	syscall.EMLINK: core.FileTooManyLinks, syscall.ENAMETOOLONG: core.FileNameTooLong, syscall.ENODEV: core.FileNoDevice,
	syscall.ENOENT: core.FileNoEntry, syscall.ENOMEM: core.FileInsufficientMemory, syscall.ENOSPC: core.FileInsufficientSpace,
	syscall.ENOTDIR: core.FileNotDirectory, syscall.ENOTEMPTY: core.FileNotEmpty, syscall.ENOSYS: core.FileUnsupported,
	syscall.ENXIO: core.FileNoSuchDevice, syscall.EOVERFLOW: core.FileOverflow, syscall.EPERM: core.FileNotPermitted,
	syscall.EROFS: core.FileReadOnly, syscall.ESPIPE: core.FileInvalidSeek, syscall.ETXTBSY: core.FileTextFileBusy,
	syscall.EXDEV: core.FileCrossDevice,
}

// escapes is the text of the error of os.Root for a path that leads out of it, which has no name.
const escapes = "path escapes from parent"

// fileError returns an error in the words of wasi:filesystem. Its text has no path of the host.
func fileError(err error) error {
	var known *core.FileError
	var number syscall.Errno
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &number):
		if code, ok := codes[number]; ok {
			return &core.FileError{Code: code, Text: number.Error()}
		}
		return &core.FileError{Code: core.FileIO, Text: number.Error()}
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	}
	switch {
	case err.Error() == escapes:
		return &core.FileError{Code: core.FileNotPermitted, Text: "the path leads out of the directory"}
	case errors.Is(err, fs.ErrInvalid):
		return &core.FileError{Code: core.FileInvalid}
	case errors.Is(err, fs.ErrNotExist):
		return &core.FileError{Code: core.FileNoEntry}
	case errors.Is(err, fs.ErrClosed):
		return &core.FileError{Code: core.FileBadDescriptor}
	}
	return core.AsFileError(err)
}
