package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/airhost/airhost/core"
)

// Directory is a directory of the host that a component may use.
type Directory struct {
	Path string    `yaml:"path" jsonschema:"required,minLength=1" jsonschema_description:"The directory, relative to this file. There must be one. All that have it share it."`
	As   GuestPath `yaml:"as" jsonschema:"required" jsonschema_description:"The guest's name for it: an absolute path whose parts have letters, digits, '-', '_' and '.', such as /data."`
	Mode string    `yaml:"mode,omitempty" jsonschema:"enum=ro,enum=rw,default=ro" jsonschema_description:"ro: the guest may read what is there; rw: it may also change it, within quota.files and quota.files_bytes."`
}

// ModeReadWrite is the mode of a directory that a component may change.
const ModeReadWrite = "rw"

// GuestPath is the path of a directory for a guest.
type GuestPath string

// UnmarshalText checks the path.
func (p *GuestPath) UnmarshalText(text []byte) error {
	if err := core.CheckGuestPath(string(text)); err != nil {
		return err
	}
	*p = GuestPath(text)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (p GuestPath) MarshalText() ([]byte, error) { return []byte(p), nil }

// guestPathPattern is the syntax of a GuestPath.
const guestPathPattern = `^(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)+$`

// String returns the directory as a table shows it.
func (d Directory) String() string { return fmt.Sprintf("%s:%s", d.As, orElse(d.Mode, "ro")) }

func orElse(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// directories notes directories of which a guest cannot have both, and those of a process.
func (d *decoder) directories(c *Component, path string) {
	granted := c.Capabilities.Files
	if path += ".capabilities.files"; c.Engine == "process" && len(granted) > 0 {
		d.at(path, "is for WebAssembly and native alone: a process has the files that its user has")
		return
	}
	if len(granted) > core.MaxFileGrants {
		d.at(path, "has %d directories, want %d at most", len(granted), core.MaxFileGrants)
		return
	}
	for i, g := range granted {
		for _, other := range granted[:i] {
			if a, b := string(g.As), string(other.As); a != "" && b != "" && core.GuestPathsOverlap(a, b) {
				d.at(fmt.Sprintf("%s[%d].as", path, i), "%s overlaps with %s: choose another", a, b)
				break
			}
		}
	}
}

// locateDirectories joins the directories to the folders of the files that name them. It returns a mistake
// for each one that cannot be used.
func (f *File) locateDirectories() (mistakes Mistakes) {
	type written struct{ path, real string }
	var all []written
	for i := range f.Components {
		granted := slices.Clone(f.Components[i].Capabilities.Files) // others may have the same defaults
		f.Components[i].Capabilities.Files = granted
		for j := range granted {
			d, at := &granted[j], fmt.Sprintf("components[%d].capabilities.files[%d].path", i, j)
			d.Path = joined(f.markOf(at).text.folder, d.Path)
			real, err := directory(d.Path)
			if err != nil {
				mistakes = append(mistakes, f.Mistake(at, err.Error()))
				continue
			}
			if d.Mode != ModeReadWrite {
				continue
			}
			for _, other := range all {
				if strings.HasPrefix(real, other.real+string(filepath.Separator)) || strings.HasPrefix(other.real, real+string(filepath.Separator)) {
					mistakes = append(mistakes, f.Mistake(at, fmt.Sprintf("%s and %s (%s) are both rw, and one is within the other: their quotas would count twice; grant the same one, or two that are apart", d.Path, other.real, other.path)))
					break
				}
			}
			all = append(all, written{at, real})
		}
	}
	return mistakes
}

// directory returns the path of a directory without symbolic links.
func directory(path string) (string, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(absolute)
	switch {
	case os.IsNotExist(err):
		return "", fmt.Errorf("%s: no such directory: make it, or correct the path", path)
	case err != nil:
		return "", fmt.Errorf("%s: %s", path, reason(err))
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", fmt.Errorf("%s: %s", path, reason(err))
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is no directory: name the one that it is in", path)
	}
	return real, nil
}
