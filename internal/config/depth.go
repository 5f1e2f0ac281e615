package config

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// Bounds of a file's structure. The YAML library recurses over nested values and copies
// much of its state; this package recurses over the values of aliases. Both stay small
// for files within the bounds.
const (
	maxDepth   = 32      // lists and mappings in each other; the schema needs eight
	maxTokens  = 50_000  // words and signs, which are some 1,000 components
	maxSigns   = 400_000 // characters that may begin or end one, in texts and comments too
	maxAliases = 1000
	maxValues  = 200_000 // with those of aliases
)

// bounded reports whether the number of tokens and their nesting are within the bounds.
// It notes the place where they are not.
func (d *decoder) bounded(tokens token.Tokens) bool {
	aliases := 0
	depth := depthMeter{}
	for i, t := range tokens {
		if t.Type == token.AliasType {
			aliases++
		}
		var text string
		switch {
		case i == maxTokens:
			text = fmt.Sprintf("the file has more than %d words and signs", maxTokens)
		case depth.after(t) > maxDepth:
			text = fmt.Sprintf("nested too deep: more than %d lists and mappings in each other", maxDepth)
		case aliases > maxAliases:
			text = fmt.Sprintf("more than %d aliases", maxAliases)
		default:
			continue
		}
		d.note(place{t.Position.Line, t.Position.Column}, "", text)
		return false
	}
	return true
}

// depthMeter follows how deep values are nested: in brackets, and by indentation.
type depthMeter struct {
	flow    int
	columns []int // at which the open block lists and mappings begin
}

// after returns the depth at a token.
func (m *depthMeter) after(t *token.Token) int {
	switch t.Type {
	case token.SequenceStartType, token.MappingStartType:
		m.flow++
	case token.SequenceEndType, token.MappingEndType:
		m.flow = max(m.flow-1, 0)
	case token.SequenceEntryType, token.MappingValueType, token.MappingKeyType:
		if m.flow == 0 {
			m.block(t)
		}
	}
	return m.flow + len(m.columns)
}

// block opens the list or mapping that a dash, question mark or colon belongs to, and
// closes those that begin further right.
func (m *depthMeter) block(t *token.Token) {
	column := t.Position.Column
	if t.Type == token.MappingValueType && t.Prev != nil && t.Prev.Position.Line == t.Position.Line {
		column = t.Prev.Position.Column
	}
	for len(m.columns) > 0 && m.columns[len(m.columns)-1] > column {
		m.columns = m.columns[:len(m.columns)-1]
	}
	if len(m.columns) == 0 || m.columns[len(m.columns)-1] < column {
		m.columns = append(m.columns, column)
	}
}

// crowded returns the place where a text exceeds maxSigns. It is called before the lexer,
// which takes some 200 bytes for each token between the signs.
func crowded(text string) place {
	n, line, start := 0, 1, 0
	for i := range len(text) {
		if strings.IndexByte("[]{},:-?&*!|>\"'#\n", text[i]) < 0 {
			continue
		}
		if n++; n > maxSigns {
			return place{line, utf8.RuneCountInString(text[start:i]) + 1}
		}
		if text[i] == '\n' {
			line, start = line+1, i+1
		}
	}
	return place{}
}
