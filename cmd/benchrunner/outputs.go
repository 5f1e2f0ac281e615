package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// standardOutput is the path of standard output.
const standardOutput = "-"

// destination is a file that a command will write. The file is written as a whole or
// not at all, and so is the one that it replaces.
type destination struct {
	flag   string // of the file
	path   string // as given
	stdout bool   // it goes to standard output
	target string // of links, "" where the path is written to as it is
	name   string // the target's, for comparison
	folder fs.FileInfo
}

// outputs are all files that a command is to write. They are checked before
// anything is measured.
type outputs struct {
	stdout io.Writer
	all    []*destination
	read   []string // files that the command reads
}

// add checks that a file can be written. A path that is "" is not asked for.
func (o *outputs) add(flag, path string) error {
	if path == "" {
		return nil
	}
	added := &destination{flag: flag, path: path}
	if err := o.locate(added); err != nil {
		return fmt.Errorf("--%s %s: %w", flag, path, err)
	}
	for _, other := range o.all {
		if added.same(other) {
			return fmt.Errorf("--%s and --%s are both %s, want two files", other.flag, flag, path)
		}
	}
	for _, read := range o.read {
		if added.target != "" && sameFile(added.target, read) {
			return fmt.Errorf("--%s: %s is read, too, want another file", flag, path)
		}
	}
	o.all = append(o.all, added)
	return nil
}

// locate finds the place of the output, and checks that it can be written. Devices
// and pipes are written directly.
func (o *outputs) locate(added *destination) error {
	if added.path == standardOutput {
		added.stdout = true
		return nil
	}
	info, err := os.Stat(added.path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return reason(err)
	case err == nil && info.IsDir():
		return errors.New("is a folder, want a file")
	case err == nil && o.isStandardOutput(info):
		added.stdout = true
		return nil
	case err == nil && !info.Mode().IsRegular():
		return checkDevice(added.path, info.Mode())
	case err == nil && ofProcess(added.path):
		return nil
	case err == nil:
		if err := checkOpen(added.path); err != nil {
			return err
		}
	}
	return added.locateFile()
}

// isStandardOutput reports whether a file or a pipe is the one of standard output,
// like that of /dev/stdout: replacing it would lose everything that is printed.
func (o *outputs) isStandardOutput(info fs.FileInfo) bool {
	file, ok := o.stdout.(*os.File)
	if !ok || info.Mode()&fs.ModeDevice != 0 {
		return false
	}
	own, err := file.Stat()
	return err == nil && os.SameFile(own, info)
}

// ofProcess reports whether a path names a file that is open already.
func ofProcess(path string) bool {
	path = filepath.ToSlash(path)
	return strings.HasPrefix(path, "/dev/std") || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/")
}

// checkDevice opens devices only: opening a pipe waits for its reader.
func checkDevice(path string, mode fs.FileMode) error {
	switch {
	case mode&fs.ModeSocket != 0:
		return errors.New("is a socket, want a file")
	case mode&fs.ModeDevice != 0:
		return checkOpen(path)
	}
	return nil
}

func checkOpen(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return reason(err)
	}
	return file.Close()
}

// maxLinks is the most links that are followed.
const maxLinks = 40

// locateFile follows links, also to a file that is not there yet, and checks that
// the folder takes new files.
func (o *destination) locateFile() error {
	target := o.path
	for range maxLinks {
		next, err := os.Readlink(target)
		if err != nil {
			break
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(target), next)
		}
		target = next
	}
	folder := folderOf(target)
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no folder %s", folder)
	case err != nil:
		return reason(err)
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", folder)
	}
	file, err := createBeside(target)
	if err != nil {
		return fmt.Errorf("the folder %s takes no file: %w", folder, reason(err))
	}
	o.target, o.name, o.folder = target, filepath.Base(target), info
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// folderOf is the folder that the path lies in. A path that ends with a separator
// is one.
func folderOf(path string) string {
	folder, _ := filepath.Split(path)
	return filepath.Clean(folder)
}

// createBeside creates a file in the folder of another one, with the permissions
// of any new file.
func createBeside(path string) (*os.File, error) {
	name := fmt.Sprintf(".benchrunner-%016x", rand.Uint64())
	return os.OpenFile(filepath.Join(folderOf(path), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// reason returns an error of the file system without the path, which the caller
// names.
func reason(err error) error {
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

// same reports whether two outputs would overwrite each other.
func (o *destination) same(other *destination) bool {
	if o.target == "" || other.target == "" {
		return o.stdout && other.stdout
	}
	return o.name == other.name && os.SameFile(o.folder, other.folder) || sameFile(o.target, other.target)
}

func sameFile(a, b string) bool {
	one, errOfOne := os.Stat(a)
	two, errOfTwo := os.Stat(b)
	return errOfOne == nil && errOfTwo == nil && os.SameFile(one, two)
}

// toStandardOutput reports whether an output goes to standard output, to which then
// nothing else may be written.
func (o *outputs) toStandardOutput() bool {
	for _, output := range o.all {
		if output.stdout {
			return true
		}
	}
	return false
}

// write writes to a path that was added for a flag, and nothing for "". The
// incomplete text of a run that was cut short replaces no file: it goes beside it.
func (o *outputs) write(flag, path string, complete bool, write func(io.Writer) error) error {
	for _, output := range o.all {
		if output.flag == flag && output.path == path {
			if err := output.write(o.stdout, complete, write); err != nil {
				return fmt.Errorf("--%s %s: %w", flag, path, err)
			}
		}
	}
	return nil
}

func (o *destination) write(stdout io.Writer, complete bool, write func(io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	if o.stdout {
		_, err := stdout.Write(text.Bytes())
		return err
	}
	if o.target == "" {
		return writeInto(o.path, text.Bytes())
	}
	if complete {
		return replace(o.target, text.Bytes())
	}
	if _, err := os.Lstat(o.target); err != nil {
		return replace(o.target, text.Bytes())
	}
	cut := o.target + cutSuffix
	return errors.Join(replace(cut, text.Bytes()), fmt.Errorf("kept as it was; what was measured is in %s", cut))
}

// cutSuffix ends the name of an incomplete file that stands beside a complete one.
const cutSuffix = ".cut"

// writeInto writes to a device, a pipe, or a file that is open already.
func writeInto(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return reason(err)
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// replace writes a file in one step, with the permissions of the one that it
// replaces.
func replace(path string, text []byte) error {
	file, err := createBeside(path)
	if err != nil {
		return reason(err)
	}
	if info, statErr := os.Stat(path); statErr == nil {
		err = file.Chmod(info.Mode().Perm())
	}
	if err == nil {
		_, err = file.Write(text)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(reason(err), os.Remove(file.Name()))
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("%w: all of it is in the first of the two", err)
	}
	return nil
}
