package config

import (
	"fmt"
	"strconv"
	"strings"
)

// text is one file that was read.
type text struct {
	name   string   // as given to Load or Decode
	folder string   // to which its paths are relative
	lines  []string // without line ends
	order  int      // 0 for the main file
	first  int      // the index of its first component in the whole
}

// mark is where the value of a key stands.
type mark struct {
	place
	text *text
}

func newFile(t *text) *File {
	return &File{text: t, marks: map[string]mark{}, variables: map[string]variable{}, wrong: map[string]bool{}}
}

// Name is the path by which the file was loaded.
func (f *File) Name() string { return f.text.name }

// Files returns the names of all files that were read: this one, and those that it includes.
func (f *File) Files() []string {
	names := []string{f.text.name}
	for _, t := range f.included {
		names = append(names, t.name)
	}
	return names
}

// Mistake returns an error about the value at path, such as
// "components[1].source", with the place where a file gives it, or else the key above it. The
// path in the error counts the components of that file alone.
func (f *File) Mistake(path, text string) *Mistake {
	at, t := f.markOf(path), f.text
	if at.text != nil {
		t = at.text
	}
	return newMistake(t, at.place, countedFrom(path, -t.first), f.hidden(path, text))
}

// markOf returns the mark of a path, or of the next one above it that has one.
func (f *File) markOf(path string) mark {
	for {
		if at, given := f.marks[path]; given || path == "" {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
}

// given reports whether a file has the key of this path, and not by defaults alone.
func (f *File) given(path string) bool {
	_, given := f.marks[path]
	return given
}

// textOf is the file that has component i.
func (f *File) textOf(i int) *text {
	if t := f.markOf(fmt.Sprintf("components[%d]", i)).text; t != nil {
		return t
	}
	return f.text
}

// countedFrom returns a path with its component's index moved.
func countedFrom(path string, by int) string {
	i, rest, is := componentOf(path)
	if by == 0 || !is {
		return path
	}
	return fmt.Sprintf("components[%d]%s", i+by, rest)
}

// componentOf takes a path apart that leads into a component.
func componentOf(path string) (index int, rest string, is bool) {
	digits, is := strings.CutPrefix(path, "components[")
	digits, rest, found := strings.Cut(digits, "]")
	index, err := strconv.Atoi(digits)
	return index, rest, is && found && err == nil
}
