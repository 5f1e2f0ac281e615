// Package suite reads files that name sets of cells, so that one word chooses a run.
// It knows the form of the files. The program whose flags are the keys says which
// keys and values exist.
package suite

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// File holds suites by their names.
type File struct {
	Suites map[string]Suite `yaml:"suites"`
	path   string
}

// Suite is a set of cells, and the settings of their run.
type Suite struct {
	// About is the purpose of the suite, in a line.
	About string `yaml:"about"`
	// Settings are those of the run as a whole.
	Settings List `yaml:"settings"`
	// Cells are sets of cells. The suite has the cells of all of them.
	Cells []List `yaml:"cells"`
}

// List is a mapping from keys to one or more values, in the file's order.
type List struct {
	Entries []Entry
	Place   Place
}

// Entry is one key with its values.
type Entry struct {
	Key    string
	Values []string
	Place  Place
}

// Place is a position in a file, counted from 1.
type Place struct{ Line, Column int }

// Error is a mistake in a file.
type Error struct {
	File string
	Place
	Text string
}

// Error names the file, and the line and column if they are known.
func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Text)
}

// Load reads the file at path. A mistake in its content is an [Error].
func Load(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading suites: %w", err)
	}
	f := &File{path: path}
	decoder := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := decoder.Decode(f); err != nil {
		return nil, f.wrong(err)
	}
	for _, name := range f.Names() {
		if len(f.Suites[name].Cells) == 0 {
			return nil, &Error{File: path, Text: fmt.Sprintf("suite %q has no cells", name)}
		}
	}
	if len(f.Suites) == 0 {
		return nil, &Error{File: path, Text: "there are no suites"}
	}
	return f, nil
}

// wrong turns the library's error into one with the file's name.
func (f *File) wrong(err error) error {
	var own *Error
	if errors.As(err, &own) {
		own.File = f.path
		return own
	}
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		position := at.GetToken().Position
		return &Error{f.path, Place{position.Line, position.Column}, at.GetMessage()}
	}
	return &Error{File: f.path, Text: err.Error()}
}

// Names returns the suites' names, sorted.
func (f *File) Names() []string { return slices.Sorted(maps.Keys(f.Suites)) }

// Find returns a suite. The error of an unknown name lists the known ones.
func (f *File) Find(name string) (Suite, error) {
	if found, ok := f.Suites[name]; ok {
		return found, nil
	}
	return Suite{}, &Error{File: f.path, Text: fmt.Sprintf("there is no suite %q, want one of %s", name, strings.Join(f.Names(), ", "))}
}

// Wrong returns an error about this place of the file.
func (f *File) Wrong(at Place, problem error) error {
	return &Error{f.path, at, problem.Error()}
}

var _ yaml.NodeUnmarshaler = (*List)(nil)

// UnmarshalYAML implements [yaml.NodeUnmarshaler].
func (l *List) UnmarshalYAML(node ast.Node) error {
	l.Place = placeOf(node)
	mapping, ok := node.(ast.MapNode)
	if !ok {
		return &Error{Place: l.Place, Text: "want keys with their values"}
	}
	for values := mapping.MapRange(); values.Next(); {
		entry, err := decodeEntry(values.Key(), values.Value())
		if err != nil {
			return err
		}
		l.Entries = append(l.Entries, entry)
	}
	return nil
}

func decodeEntry(key, value ast.Node) (Entry, error) {
	entry := Entry{Key: key.GetToken().Value, Place: placeOf(key)}
	nodes := []ast.Node{value}
	if list, ok := value.(*ast.SequenceNode); ok {
		nodes = list.Values
	}
	for _, node := range nodes {
		scalar, ok := node.(ast.ScalarNode)
		if _, null := node.(*ast.NullNode); !ok || null {
			return entry, &Error{Place: placeOf(node), Text: fmt.Sprintf("%s: want a value, or a list of values", entry.Key)}
		}
		entry.Values = append(entry.Values, fmt.Sprint(scalar.GetValue()))
	}
	if len(entry.Values) == 0 {
		return entry, &Error{Place: entry.Place, Text: entry.Key + ": the list is empty"}
	}
	return entry, nil
}

// placeOf returns the beginning of a value; of a mapping, its first key.
func placeOf(node ast.Node) Place {
	if mapping, ok := node.(*ast.MappingNode); ok && !mapping.IsFlowStyle && len(mapping.Values) > 0 {
		node = mapping.Values[0].Key
	}
	if single, ok := node.(*ast.MappingValueNode); ok {
		node = single.Key
	}
	position := node.GetToken().Position
	return Place{position.Line, position.Column}
}
