package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// Bounds of the files that a file includes.
const (
	maxIncluded      = 1000
	maxIncludedBytes = 16 << 20 // of all together
)

// files are those that may be included.
type files interface {
	// glob returns the files that match a pattern, no folders.
	glob(pattern string) ([]string, error)
	// read returns a file's bytes, or its first MaxFileSize and one.
	read(path string) ([]byte, error)
}

// disk are the files of the system.
type disk struct{}

func (disk) glob(pattern string) ([]string, error) {
	matches, err := filepath.Glob(pattern)
	return slices.DeleteFunc(matches, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.IsDir()
	}), err
}

func (disk) read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.IsDir() && !info.Mode().IsRegular():
		return nil, errors.New("want a regular file") // others may block
	}
	return read(path)
}

// include decodes the files that the main file includes, and adds their components to it. It
// returns the defaults of each. Their errors are noted.
func (d *decoder) include(main *File, defaults *layer, from files) []*layer {
	d.file = main
	paths := d.included(from)
	var all []*layer
	total := 0
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		data, err := from.read(path)
		d.file = main
		if total += len(data); total > maxIncludedBytes {
			d.at("include", "the files that it names have more than %s together", sizeText(maxIncludedBytes))
			break
		}
		if kind := otherKind(data, filepath.Base(path)); err == nil && kind != "" {
			err = errors.New(kind)
		}
		if err != nil {
			d.at(paths[path], "%s: %s", path, reason(err))
			continue
		}
		t := &text{name: path, folder: filepath.Dir(path), order: len(all) + 1, first: len(main.Components)}
		main.included = append(main.included, t)
		f := d.one(t, data)
		if f == nil {
			f = d.file
		}
		d.onlyComponents(f, main.text.name)
		all = append(all, d.defaults(f, defaults))
		main.add(f)
	}
	return all
}

// included returns the paths of the files to include, each with the path of its pattern.
func (d *decoder) included(from files) map[string]string {
	main := d.file
	paths, seen := map[string]string{}, map[string]bool{absolute(main.text.name): true}
	for i, pattern := range main.Include {
		at := fmt.Sprintf("include[%d]", i)
		if d.wrong(at) {
			continue
		}
		matches, err := d.matches(pattern, from)
		switch {
		case err != nil:
			d.at(at, "%q: %s", clip(pattern), err)
		case len(matches) == 0:
			main.unmatched = append(main.unmatched, at)
		}
		for _, path := range matches {
			if !seen[absolute(path)] {
				paths[path], seen[absolute(path)] = at, true
			}
		}
		if len(paths) > maxIncluded {
			d.at(at, "more than %d files are included", maxIncluded)
			return nil
		}
	}
	return paths
}

var errPattern = errors.New("no pattern: want such as plugins/*.yaml; [ and \\ begin a range and a sign that stands for itself")

// matches returns the files that a pattern means: one that has no wildcard need not exist.
func (d *decoder) matches(pattern string, from files) ([]string, error) {
	full := d.file.path(pattern)
	switch {
	case strings.Contains(pattern, "**"):
		return nil, errors.New("** does not stand for folders of any depth: name each level, as plugins/*/*.yaml")
	case !strings.ContainsAny(pattern, `*?[`):
		return []string{full}, nil
	}
	matches, err := from.glob(full)
	if err != nil {
		return nil, errPattern
	}
	hidden := strings.HasPrefix(filepath.Base(full), ".")
	return slices.DeleteFunc(matches, func(path string) bool { return !hidden && strings.HasPrefix(filepath.Base(path), ".") }), nil
}

// path returns a path of the main file as one of the system.
func (f *File) path(path string) string { return joined(f.text.folder, path) }

// absolute returns a path that is the same for all paths of a file, but those with symbolic links.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return filepath.Clean(path)
}

// joined returns a path that is relative to a folder as one of the system.
func joined(folder, path string) string {
	if path = filepath.FromSlash(path); filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}

// onlyComponents notes the keys that an included file must not have.
func (d *decoder) onlyComponents(f *File, main string) {
	for _, key := range fieldsOf(reflect.TypeFor[File]()) {
		switch {
		case !f.given(key.key) || key.key == "components" || key.key == "defaults":
		case key.key == "include":
			d.at(key.key, "an included file includes no others: name them in %s", main)
		default:
			d.at(key.key, "belongs to %s: an included file has components and defaults alone", main)
		}
	}
}

// add adds the components of a file that was included, and all that is known about them.
func (f *File) add(other *File) {
	first := other.text.first
	for path, m := range other.marks {
		if below("components", path) {
			f.marks[countedFrom(path, first)] = m
		}
	}
	for path, v := range other.variables {
		if below("components", path) {
			f.variables[countedFrom(path, first)] = v
		}
	}
	for path := range other.wrong {
		if below("components", path) || below("defaults", path) {
			f.wrong[countedFrom(path, first)] = true
		}
	}
	f.Components = append(f.Components, other.Components...)
}

// Folders returns the folders in which files appear that include would name: to watch them.
func (f *File) Folders() []string {
	var all []string
	for _, pattern := range f.Include {
		folder := filepath.Dir(f.path(pattern))
		for strings.ContainsAny(folder, `*?[`) {
			matches, err := filepath.Glob(folder)
			if err == nil {
				all = append(all, matches...)
			}
			folder = filepath.Dir(folder)
		}
		all = append(all, folder)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
