// Package secret has sources of secrets: variables of the environment, and files. See
// [github.com/airhost/airhost/core/host.Secret].
package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/airhost/airhost/core"
)

// Env is a secret in a variable of the program's environment, by the variable's name.
type Env string

// ReadSecret returns the value of the variable. The error does not tell it.
func (e Env) ReadSecret() (string, error) {
	value, set := os.LookupEnv(string(e))
	if !set {
		return "", fmt.Errorf("%s is not set in the environment of airhost", string(e))
	}
	if err := core.CheckSecret(value); err != nil {
		return "", fmt.Errorf("the variable %s: %w", string(e), err)
	}
	return value, nil
}

// File is a secret in a file, by its path. A line end at the end of the file is no part of it.
type File string

// ReadSecret reads the file. The error tells no part of it.
func (f File) ReadSecret() (string, error) {
	value, err := f.read()
	if err != nil {
		return "", fmt.Errorf("%s: %w", string(f), short(err))
	}
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	if err := core.CheckSecret(value); err != nil {
		return "", fmt.Errorf("%s: %w", string(f), err)
	}
	return value, nil
}

// read returns the beginning of the file: enough to see that it is too large.
func (f File) read() (string, error) {
	info, err := os.Stat(string(f))
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errNoFile // others may block
	}
	file, err := os.Open(string(f))
	if err != nil {
		return "", err
	}
	defer file.Close()
	value, err := io.ReadAll(io.LimitReader(file, core.MaxSecret+int64(len("\r\n"))+1))
	return string(value), err
}

var errNoFile = errors.New("want a regular file")

// ReadableByOthers reports whether all users of the system may read the file.
func (f File) ReadableByOthers() bool {
	info, err := os.Stat(string(f))
	return err == nil && info.Mode().Perm()&0o004 != 0
}

// short returns the reason of an error without the file's path.
func short(err error) error {
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("no such file")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("no permission to read it")
	case errors.As(err, &at):
		return at.Err
	}
	return err
}
