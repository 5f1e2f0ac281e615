package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/airhost/airhost/core"
)

// The syntax of variables in values, as regular expressions that Go and JavaScript know.
const (
	variableSyntax = `\$\{[A-Za-z_][A-Za-z0-9_]*(:-([^}$]|\$\$)*)?\}`
	// textPattern is that of a text, with or without variables.
	textPattern = `^([^$]|\$\$|` + variableSyntax + `)*$`
	// variablePattern is that of a text with at least one variable.
	variablePattern = `^([^$]|\$\$)*` + variableSyntax + `([^$]|\$\$|` + variableSyntax + `)*$`
)

var variableAlone = regexp.MustCompile(`^` + variableSyntax + `$`)

var errDollar = errors.New("a $ is written $$; a variable is ${NAME}, or ${NAME:-default} for one that may be missing")

// variable is a value that came from variables.
type variable struct{ written, value string }

// substitute puts the values of its variables into a scalar. It returns the scalar as it
// is then, or nil after a mistake, and the text as it was written, or "" without variables. The
// value of a variable is not YAML.
func (d *decoder) substitute(path string, n ast.Node) (ast.Node, string) {
	var written string
	switch n := n.(type) {
	case *ast.StringNode:
		written = n.Value
	case *ast.LiteralNode:
		written = n.Value.Value
	}
	if !strings.Contains(written, "$") {
		return n, ""
	}
	text, used, err := d.expand(written)
	if err != nil {
		d.notef(n, path, "%q: %s", clip(written), err)
		return nil, ""
	}
	result := textNode(n, text)
	if !used {
		return result, ""
	}
	d.file.variables[path] = variable{clip(written), text}
	return result, clip(written)
}

// expand returns a text with the values of its variables, and whether it has any.
func (d *decoder) expand(written string) (text string, used bool, err error) {
	var b strings.Builder
	for rest := written; ; {
		before, after, found := strings.Cut(rest, "$")
		b.WriteString(before)
		if d.substituted+b.Len() > MaxFileSize {
			return "", false, errors.New("with the values of its variables the file is larger than 1 MiB")
		}
		if !found {
			d.substituted += b.Len()
			return b.String(), used, nil
		}
		if strings.HasPrefix(after, "$") {
			b.WriteByte('$')
			rest = after[1:]
			continue
		}
		inside, behind, closed := strings.Cut(after, "}")
		reference := "$" + inside + "}"
		if !closed || !variableAlone.MatchString(reference) {
			return "", false, errDollar
		}
		value, err := d.lookUp(inside[len("{"):])
		if err != nil {
			return "", false, err
		}
		b.WriteString(value)
		used, rest = true, behind
	}
}

// lookUp returns the value of NAME, or of NAME:-default, which is the default if the variable
// is empty as well.
func (d *decoder) lookUp(reference string) (string, error) {
	name, fallback, may := strings.Cut(reference, ":-")
	lookup := d.built.Lookup
	if lookup == nil {
		lookup = os.LookupEnv
	}
	value, set := lookup(name)
	switch {
	case may && value == "":
		return strings.ReplaceAll(fallback, "$$", "$"), nil
	case !set:
		return "", fmt.Errorf("%s is not set in the environment of airhost: set it, or give a default, as ${%s:-default}", name, name)
	case len(value) > MaxFileSize:
		return "", fmt.Errorf("the value of %s is larger than 1 MiB", name)
	case !utf8.ValidString(value) || strings.Contains(value, "\x00"):
		return "", fmt.Errorf("the value of %s is not UTF-8 text without NUL", name)
	}
	return value, nil
}

// textNode returns a scalar in the place of n, which stands in quotes or not. Without quotes a
// number is a number, and true and false are truth values.
func textNode(n ast.Node, text string) ast.Node {
	at := n.GetToken()
	tk := token.DoubleQuote(text, text, at.Position)
	if s, ok := n.(*ast.StringNode); ok && s.Token.Type == token.StringType {
		tk = token.New(text, text, at.Position)
	}
	switch tk.Type {
	case token.BoolType:
		return ast.Bool(tk)
	case token.IntegerType, token.BinaryIntegerType, token.OctetIntegerType, token.HexIntegerType, token.FloatType:
		return ast.Integer(tk)
	case token.DoubleQuoteType:
		return ast.String(tk)
	}
	return ast.String(token.String(text, text, at.Position))
}

// hide replaces the mistakes since there were so many by one that does not tell the value: it may
// be a secret.
func (d *decoder) hide(before int, n ast.Node, path, written, wanted string) {
	if len(d.mistakes) == before {
		return
	}
	d.mistakes = d.mistakes[:before]
	d.notef(n, path, "the value of %s does not fit: want %s", written, wanted)
}

// wanted says which values a type has, without a word about the value that was given.
func (d *decoder) wanted(t reflect.Type, r rules) string {
	within := ""
	if r.minimum != "" {
		within = ", from " + r.span()
	}
	switch t {
	case reflect.TypeFor[Duration]():
		return strings.TrimPrefix(errDuration.Error(), "want ") + within
	case reflect.TypeFor[Size]():
		return strings.TrimPrefix(errSize.Error(), "want ") + within
	case reflect.TypeFor[Instances]():
		return strings.TrimPrefix(errInstances.Error(), "want ")
	case reflect.TypeFor[Checksum]():
		return strings.TrimPrefix(errChecksum.Error(), "want ")
	case reflect.TypeFor[ClusterName]():
		return strings.TrimPrefix(errClusterName.Error(), "want ")
	case reflect.TypeFor[Label]():
		return strings.TrimPrefix(errLabel.Error(), "want ")
	case reflect.TypeFor[core.ComponentID]():
		return "an id, as namespace/name"
	case reflect.TypeFor[core.IDPattern]():
		return "namespace/name, namespace/* or *"
	}
	if offered := names(d.built.choices(r)); offered != nil {
		return alternatives(offered)
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false, and that without quotes"
	case reflect.String:
		return "a text that is not empty, and a number in quotes"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "keys and values"
	}
	return "a whole number in decimal digits and without quotes" + within
}

// Substituted reports whether the value at a path, or one below it, came from a variable.
func (f *File) Substituted(path string) bool {
	if _, is := f.variables[path]; is {
		return true
	}
	for at := range f.variables {
		if below(path, at) {
			return true
		}
	}
	return false
}

// below reports whether a path leads on from another one.
func below(path, at string) bool {
	return len(at) > len(path) && strings.HasPrefix(at, path) && (path == "" || at[len(path)] == '.' || at[len(path)] == '[')
}

// shown is the value at a path for a mistake about another path: as it was written if it came
// from a variable.
func (f *File) shown(path, value string) string {
	if v, is := f.variables[path]; is {
		return v.written
	}
	return value
}

// hidden returns a text about the value at a path without the values of variables in it.
func (f *File) hidden(path, text string) string {
	for at, v := range f.variables {
		if at != path && !below(path, at) {
			continue
		}
		forms := []string{v.value, clip(v.value)}
		clean := filepath.ToSlash(filepath.Clean(filepath.FromSlash(v.value))) // as in a path that was joined
		for strings.HasPrefix(clean, "../") {
			clean = strings.TrimPrefix(clean, "../")
		}
		if clean != "." && clean != ".." {
			forms = append(forms, filepath.FromSlash(clean))
		}
		for _, value := range forms {
			quoted := strconv.Quote(value)
			text = replaceWord(text, quoted[1:len(quoted)-1], v.written)
			text = replaceWord(text, value, v.written)
		}
	}
	return text
}

// replaceWord replaces a word wherever no letter or digit is beside it.
func replaceWord(text, word, by string) string {
	if word == "" {
		return text
	}
	var b strings.Builder
	for last := ' '; ; {
		before, after, found := strings.Cut(text, word)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if before != "" {
			last, _ = utf8.DecodeLastRuneInString(before)
		}
		next, _ := utf8.DecodeRuneInString(after)
		if inWord(last) || inWord(next) {
			b.WriteString(word)
		} else {
			b.WriteString(by)
		}
		last, _ = utf8.DecodeLastRuneInString(word)
		text = after
	}
}

func inWord(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
