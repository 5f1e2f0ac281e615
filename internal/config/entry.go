package config

import (
	"bytes"
	"errors"
	"strings"
)

// LoadComponent reads one entry of a file's components, in YAML or JSON, as [Load] reads a file.
// The source is relative to folder. Mistakes call the text by name. The file that it returns
// has the one component.
func LoadComponent(name, folder string, text []byte, built Built) (*File, error) {
	const head, indent = "components:\n -\n", "  "
	text = lineEnds(bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff"))))
	whole := head + indent + strings.ReplaceAll(string(text), "\n", "\n"+indent)
	f, err := Decode(name, []byte(whole), built)
	var mistakes Mistakes
	errors.As(err, &mistakes)
	f.text.folder = folder
	mistakes = append(mistakes, f.locate()...)
	for _, m := range mistakes {
		m.moveUp(strings.Count(head, "\n"), len(indent), strings.Split(string(text), "\n"))
	}
	return f, mistakes.Sorted()
}

// moveUp makes m's place one of a text that stands so many lines and columns further down in
// the file.
func (m *Mistake) moveUp(lines, columns int, text []string) {
	m.Line, m.Column = max(m.Line-lines, 0), max(m.Column-columns, 1)
	m.Path = strings.TrimPrefix(strings.TrimPrefix(m.Path, "components[0]"), ".")
	m.Excerpt = ""
	m.quote(text)
}
