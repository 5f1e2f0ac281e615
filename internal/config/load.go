package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Load reads and checks the configuration file at path, and checks that the sources that
// it names exist. The returned file's sources are paths in the operating system's form,
// joined to the folder of the file. An error is of type [Mistakes]: all mistakes in the
// file, or the reason why it cannot be read.
func Load(path string, built Built) (*File, error) {
	text, err := read(path)
	if err != nil {
		return nil, Mistakes{{File: path, Text: reason(err)}}
	}
	if kind := otherKind(text, filepath.Base(path)); kind != "" {
		return nil, Mistakes{{File: path, Text: kind}}
	}
	f, err := Decode(path, text, built)
	var mistakes Mistakes
	errors.As(err, &mistakes)
	mistakes = append(mistakes, f.locate(filepath.Dir(path))...)
	if err := mistakes.Sorted(); err != nil {
		return nil, err
	}
	return f, nil
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, MaxFileSize+1))
}

// locate joins the sources to their folder. It returns a mistake for each source that
// does not exist.
func (f *File) locate(folder string) Mistakes {
	var missing Mistakes
	for i := range f.Components {
		c := &f.Components[i]
		if c.Engine == "native" || c.Source == "" {
			continue
		}
		if !filepath.IsAbs(c.Source) {
			c.Source = filepath.Join(folder, filepath.FromSlash(c.Source))
		}
		if err := readable(c.Source); err != nil {
			path := fmt.Sprintf("components[%d].source", i)
			missing = append(missing, f.Mistake(path, fmt.Sprintf("%s: %s", c.Source, reason(err))))
		}
	}
	if f.Host.Admin != "" && f.Host.Admin != adminOff && isPath(f.Host.Admin) {
		f.Host.Admin = within(folder, f.Host.Admin)
	}
	if f.Host.AdminTokenFile != "" {
		f.Host.AdminTokenFile = within(folder, f.Host.AdminTokenFile)
		if err := readable(f.Host.AdminTokenFile); err != nil {
			missing = append(missing, f.Mistake("host.admin_token_file", fmt.Sprintf("%s: %s", f.Host.AdminTokenFile, reason(err))))
		}
	}
	missing = append(missing, f.Gateway.HTTP.TLS.locate(f, folder)...)
	for path, part := range f.Host.parts() {
		if part.Plugin != nil {
			missing = append(missing, part.Plugin.locate(f, folder, path)...)
		}
	}
	return missing
}

// isPath reports whether an address is the path of a socket, not host:port.
func isPath(address string) bool {
	return strings.ContainsAny(address, `/\`) || !strings.Contains(address, ":")
}

// within returns a path of a file, joined to the folder unless it is absolute.
func within(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, filepath.FromSlash(path))
}

func readable(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return syscall.EISDIR
	}
	return err
}

// reason is the short reason of an error in reading a file, without the file's path.
func reason(err error) string {
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file"
	case errors.Is(err, syscall.EISDIR):
		return "want a file, this is a directory"
	case errors.Is(err, fs.ErrPermission):
		return "no permission to read it"
	case errors.As(err, &at):
		return at.Err.Error()
	}
	return err.Error()
}
