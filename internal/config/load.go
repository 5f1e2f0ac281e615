package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Load reads and checks the configuration file at path and those that it includes, and checks that
// the sources that they name exist. The returned file's sources are paths in the operating system's form,
// joined to the folder of the file that names them. An error is of type [Mistakes]: all mistakes in the
// file, or the reason why it cannot be read.
func Load(path string, built Built) (*File, error) {
	text, err := read(path)
	if err != nil {
		return nil, Mistakes{{File: path, Text: reason(err)}}
	}
	if kind := otherKind(text, filepath.Base(path)); kind != "" {
		return nil, Mistakes{{File: path, Text: kind}}
	}
	d := &decoder{built: built}
	f := d.all(path, text, disk{})
	mistakes := append(append(d.mistakes, f.locate()...), f.placement()...)
	if err := mistakes.Sorted(); err != nil {
		return nil, err
	}
	return f, nil
}

// Absolute returns f with absolute paths, to compare it with files that were loaded by other names.
func (f *File) Absolute() (*File, error) {
	absolute := *f
	absolute.Components = slices.Clone(f.Components)
	for i := range absolute.Components {
		granted := &absolute.Components[i].Capabilities.Files
		*granted = slices.Clone(*granted)
	}
	for _, part := range absolute.Host.parts() {
		if part.Plugin != nil {
			plugin := *part.Plugin
			part.Plugin = &plugin
		}
	}
	for i := range absolute.Components {
		if err := absolute.Components[i].moveSecrets(filepath.Abs); err != nil {
			return nil, err
		}
	}
	for _, p := range absolute.paths() {
		var err error
		if *p, err = filepath.Abs(*p); err != nil {
			return nil, err
		}
	}
	return &absolute, nil
}

// paths are all paths that the file has.
func (f *File) paths() (all []*string) {
	for i := range f.Components {
		c := &f.Components[i]
		if c.Engine != "native" {
			all = append(all, &c.Source)
		}
		for j := range c.Capabilities.Files {
			all = append(all, &c.Capabilities.Files[j].Path)
		}
	}
	if a := f.Host.Admin; a != "" && a != AdminOff && isPath(a) {
		all = append(all, &f.Host.Admin)
	}
	for _, p := range []*string{&f.Host.AdminTokenFile, &f.Host.NATS.Store, &f.KeyValue.Path, &f.HTTP.CAFile, &f.Gateway.HTTP.TLS.Certificate, &f.Gateway.HTTP.TLS.Key} {
		if *p != "" {
			all = append(all, p)
		}
	}
	for _, p := range f.Host.NATS.files() {
		all = append(all, p)
	}
	for _, part := range f.Host.parts() {
		if part.Plugin != nil {
			all = append(all, &part.Plugin.Plugin)
		}
	}
	return all
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, MaxFileSize+1))
}

// locate joins the sources to the folders of their files. It returns a mistake for each source
// that does not exist.
func (f *File) locate() Mistakes {
	var missing Mistakes
	for i := range f.Components {
		c := &f.Components[i]
		if c.Engine == "native" || c.Source == "" {
			continue
		}
		c.Source = joined(f.textOf(i).folder, c.Source)
		if err := readable(c.Source); err != nil {
			path := fmt.Sprintf("components[%d].source", i)
			missing = append(missing, f.Mistake(path, fmt.Sprintf("%s: %s", c.Source, reason(err))))
		}
	}
	missing = append(missing, f.locateSecrets()...)
	missing = append(missing, f.locateDirectories()...)
	if f.KeyValue.Path != "" {
		f.KeyValue.Path = f.path(f.KeyValue.Path)
	}
	missing = append(missing, f.Host.locateAdmin(f)...)
	missing = append(missing, f.Host.NATS.locate(f)...)
	missing = append(missing, f.HTTP.locate(f)...)
	missing = append(missing, f.Gateway.HTTP.TLS.locate(f)...)
	for path, part := range f.Host.parts() {
		if part.Plugin != nil {
			missing = append(missing, part.Plugin.locate(f, path)...)
		}
	}
	return missing
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
