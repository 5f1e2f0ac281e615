package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// MaxFileSize is the largest configuration file, in bytes.
const MaxFileSize = 1 << 20

// parse returns the one document of a file, or nil with the mistakes noted.
func (d *decoder) parse(data []byte) ast.Node {
	data = lineEnds(bytes.TrimPrefix(data, []byte("\ufeff")))
	d.file.text.lines = strings.Split(string(data), "\n")
	switch at := invalidUTF8(data); {
	case len(data) > MaxFileSize:
		d.note(place{}, "", "the file is larger than 1 MiB")
		return nil
	case at.line > 0:
		d.note(at, "", "the file is not UTF-8 text")
		return nil
	}
	if at, r := controlCharacter(data); at.line > 0 {
		d.note(at, "", fmt.Sprintf("a control character (%U), which YAML does not allow: in a text in quotes it is written as \"\\x%02x\"", r, r))
		return nil
	}
	if at := crowded(string(data)); at.line > 0 {
		d.note(at, "", fmt.Sprintf("the file has more than %d signs", maxSigns))
		return nil
	}
	tokens := lexer.Tokenize(string(data))
	if !d.bounded(tokens) {
		return nil
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil
	}
	return d.onlyDocument(tree)
}

// lineEnds makes every end of a line that YAML knows the same: the lexer counts
// lines wrong where comments end in another. No column changes.
func lineEnds(data []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}

func invalidUTF8(data []byte) place {
	valid := 0
	for valid < len(data) {
		r, size := utf8.DecodeRune(data[valid:])
		if r == utf8.RuneError && size == 1 {
			return placeAfter(data[:valid])
		}
		valid += size
	}
	return place{}
}

// controlCharacter returns the first character that YAML does not allow in a file,
// and its place.
func controlCharacter(data []byte) (place, rune) {
	at := bytes.IndexFunc(data, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\u0085' })
	if at < 0 {
		return place{}, 0
	}
	r, _ := utf8.DecodeRune(data[at:])
	return placeAfter(data[:at]), r
}

// placeAfter is the place after a part of the file.
func placeAfter(before []byte) place {
	line := before[bytes.LastIndexByte(before, '\n')+1:]
	return place{bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(line) + 1}
}

func (d *decoder) onlyDocument(tree *ast.File) ast.Node {
	docs := slices.DeleteFunc(tree.Docs, func(doc *ast.DocumentNode) bool {
		_, directive := doc.Body.(*ast.DirectiveNode)
		return doc.Body == nil || directive || doc.Body.GetToken() == nil
	})
	switch {
	case len(docs) == 0:
		d.note(place{}, "", "the file is empty: want at least components:, a list of what runs (see airhost schema)")
		return nil
	case len(docs) > 1:
		d.note(placeOf(docs[1].Body), "", "a second document starts here: want one document per file")
	}
	return docs[0].Body
}

// syntax notes that the file is not YAML. The parser stops at the first mistake. But if
// that is a line indented with tabs, syntax notes all such lines: there are usually many.
func (d *decoder) syntax(err error) {
	if d.tabs() {
		return
	}
	var located yaml.Error
	if !errors.As(err, &located) || located.GetToken() == nil {
		d.note(place{}, "", "not YAML: "+err.Error())
		return
	}
	at := located.GetToken().Position
	hint := ""
	if at.Line <= len(d.file.text.lines) && strings.Contains(d.file.text.lines[at.Line-1], "${") {
		hint = "; within {…} a value with ${…} is written in quotes"
	}
	d.note(place{at.Line, at.Column}, "", "not YAML: "+located.GetMessage()+hint)
}

func (d *decoder) tabs() bool {
	before := len(d.mistakes)
	for i, line := range d.file.text.lines {
		if d.full() {
			break
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 {
			d.note(place{i + 1, tab + 1}, "", "a tab in the indentation: YAML is indented with spaces")
		}
	}
	return len(d.mistakes) > before
}
