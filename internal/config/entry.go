package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/airhost/airhost/core"
)

// LoadComponent reads the entry of a component in a file's components, in YAML or JSON, as [Load]
// reads a file. The source is relative to folder. Mistakes call the text by the id. The file
// that it returns has the one component.
func LoadComponent(id core.ComponentID, folder string, text []byte, built Built) (*File, error) {
	const head, indent = "components:\n -\n", "  "
	text = lineEnds(bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff"))))
	whole := head + indent + strings.ReplaceAll(string(text), "\n", "\n"+indent)
	f, err := Decode(id.String(), []byte(whole), built)
	var mistakes Mistakes
	errors.As(err, &mistakes)
	if len(f.Components) == 1 && !f.Components[0].ID.IsZero() && f.Components[0].ID != id {
		mistakes = append(mistakes, f.Mistake("components[0].id", fmt.Sprintf("is %s, want %s as in the request", f.Components[0].ID, id)))
	}
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
