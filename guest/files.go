package guest

import (
	"io/fs"
	"os"
)

// FileHost is a [Host] with directories. [OpenRoot] uses it; a Host that wraps another one
// implements it to pass them on.
type FileHost interface {
	Host

	// OpenRoot is the function OpenRoot.
	OpenRoot(path string) (*os.Root, error)
}

// OpenRoot opens a directory that the component was granted, by its path for the guest, such as
// /data. It needs the capability files. The component closes the directory; it may be kept until the
// instance ends. An error wraps one of package io/fs, such as [fs.ErrNotExist] for a path that was not
// granted.
//
// In WebAssembly it is os.OpenRoot, and functions of package os such as [os.ReadFile] take the same
// paths. The host refuses whatever the mode ro or the quota does not allow. A native component is trusted:
// it gets the directory itself, and for it neither the mode nor the quota is enforced.
func OpenRoot(host Host, path string) (*os.Root, error) {
	if files, ok := host.(FileHost); ok {
		return files.OpenRoot(path)
	}
	return openRoot(path)
}

// NoDirectory returns the error of [OpenRoot] for a path, with a reason.
func NoDirectory(path string, reason error) error {
	return &fs.PathError{Op: "openroot", Path: path, Err: reason}
}
