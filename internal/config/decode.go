package config

import (
	"encoding"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/airhost/airhost/core"
)

// Decode reads the text of a configuration file; mistakes call the file by name. It opens
// no other file: [Load] reads those that include names, and checks that sources exist. The error is of type [Mistakes] and
// holds all mistakes that could be found.
func Decode(name string, text []byte, built Built) (*File, error) {
	d := &decoder{built: built}
	f := d.all(name, text, nil)
	return f, d.mistakes.Sorted()
}

// all decodes a file and, if there are files, those that it includes.
func (d *decoder) all(name string, data []byte, from files) *File {
	whole := d.one(&text{name: name, folder: filepath.Dir(name)}, data)
	if whole == nil {
		return d.file
	}
	defaults := []*layer{d.defaults(whole, nil)}
	if from != nil {
		defaults = append(defaults, d.include(whole, defaults[0], from)...)
	}
	d.file = whole
	for i := range whole.Components {
		d.complete(i, defaults[whole.textOf(i).order])
	}
	whole.noteVariables()
	d.consistency()
	return whole
}

// one decodes a single file. It returns nil if that is not YAML.
func (d *decoder) one(t *text, data []byte) *File {
	d.file, d.anchors, d.values, d.substituted = newFile(t), map[string]ast.Node{}, 0, 0
	root := d.parse(data)
	if root == nil {
		return nil
	}
	ast.Walk(d, root)
	d.value("", root, reflect.ValueOf(d.file).Elem(), rules{})
	return d.file
}

// decoder fills a File from a syntax tree. The YAML library's own decoder stops
// at the first mistake; this one goes on, and knows the path it is on.
type decoder struct {
	file     *File
	built    Built
	anchors  map[string]ast.Node
	mistakes Mistakes
	values   int // that were decoded
	merged   int // that components have by defaults

	substituted int // bytes of the values that have variables
}

// place is a position in a file, counted from 1; columns are characters.
type place struct{ line, column int }

// placeOf returns where a value starts; of a mapping, its first key.
func placeOf(n ast.Node) place {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	at := n.GetToken().Position
	return place{at.Line, at.Column}
}

// maxMistakes is the largest number of mistakes that are reported.
const maxMistakes = 100

// full reports that there are more than maxMistakes; the decoder then skips the rest.
func (d *decoder) full() bool { return len(d.mistakes) > maxMistakes }

// note adds a mistake about the value at path.
func (d *decoder) note(at place, path, text string) {
	d.add(path, newMistake(d.file.text, at, path, text))
}

// at adds a mistake about the value at path, whose place is known.
func (d *decoder) at(path, format string, args ...any) {
	if _, below, _ := strings.Cut(path, "]"); strings.HasPrefix(path, "components[") && d.wrong("defaults"+below) {
		return // they have it by the defaults
	}
	d.add(path, d.file.Mistake(path, fmt.Sprintf(format, args...)))
}

// add adds a mistake. In place of the first one too many it adds that there are more.
func (d *decoder) add(path string, m *Mistake) {
	if d.full() {
		return
	}
	if len(d.mistakes) == maxMistakes {
		m.Path, m.Text = "", fmt.Sprintf("these are %d mistakes, what follows was not looked at", maxMistakes)
	}
	d.mistakes = append(d.mistakes, m)
	d.file.wrong[path] = true
}

// wrong reports whether the value at path was found wrong already.
func (d *decoder) wrong(path string) bool { return d.file.wrong[path] }

func (d *decoder) notef(n ast.Node, path, format string, args ...any) {
	d.note(placeOf(n), path, fmt.Sprintf(format, args...))
}

// Visit collects anchors, for [ast.Walk].
func (d *decoder) Visit(n ast.Node) ast.Visitor {
	if anchor, ok := n.(*ast.AnchorNode); ok {
		d.anchors[anchor.Name.GetToken().Value] = anchor.Value
	}
	return d
}

// resolve returns the value of an anchor or alias. It returns nil if that is a mistake,
// which it notes.
func (d *decoder) resolve(path string, n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.AnchorNode:
		return d.resolve(path, n.Value)
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		if to := d.anchors[name]; to != nil {
			if _, again := to.(*ast.AliasNode); !again {
				return to
			}
		}
		d.notef(n, path, "*%s refers to no anchor &%s", name, name)
		return nil
	case *ast.TagNode:
		d.notef(n, path, "the tag %s is not supported: leave it out", n.Start.Value)
		return nil
	case nil:
		return nil
	}
	return n
}

// value decodes n into the Go value. Values that were found wrong are left zero.
func (d *decoder) value(path string, n ast.Node, into reflect.Value, r rules) {
	if n = d.resolve(path, n); n == nil || d.full() || !d.counted(path, n) {
		return
	}
	d.file.marks[path] = mark{placeOf(n), d.file.text}
	before := len(d.mistakes)
	value, written := d.substitute(path, n)
	if value == nil {
		return
	}
	d.decode(path, value, into, r)
	if written != "" {
		d.hide(before, n, path, written, d.wanted(into.Type(), r))
	}
}

// decode decodes a value that value has resolved.
func (d *decoder) decode(path string, n ast.Node, into reflect.Value, r rules) {
	if _, null := n.(*ast.NullNode); null {
		d.notef(n, path, "has no value: give one, or remove the key")
		return
	}
	switch target := into.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		d.text(path, n, target, into, r)
		return
	case *Pairs:
		d.pairs(path, n, target)
		return
	case *Secrets:
		d.allSecrets(path, n, target)
		return
	case *Secret:
		d.secret(path, n, target)
		return
	case *Part:
		d.part(path, n, target, r)
		return
	case *Subscription:
		d.subscription(path, n, target)
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		d.mapping(path, n, into)
	case reflect.Slice:
		d.sequence(path, n, into, r)
	case reflect.Map:
		d.named(path, n, into)
	case reflect.String:
		d.string(path, n, into, r)
	case reflect.Bool:
		d.truth(path, n, into)
	default:
		d.number(path, n, into, r)
	}
}

// counted bounds the number of values that are decoded, because aliases may repeat the
// same values again and again. It notes once that there are too many.
func (d *decoder) counted(path string, n ast.Node) bool {
	d.values++
	if d.values == maxValues {
		d.notef(n, path, "the file and its aliases have more than %d values", maxValues)
	}
	return d.values < maxValues
}

// text decodes a type that has a syntax of its own: an id, a size.
func (d *decoder) text(path string, n ast.Node, target encoding.TextUnmarshaler, into reflect.Value, r rules) {
	word, ok := scalarText(n)
	if !ok {
		d.notef(n, path, "want one value, got %s", describe(n))
		return
	}
	if wantsText(target) && !isText(n) {
		d.notef(n, path, "want a text, got %s: put it in quotes", describe(n))
		return
	}
	switch err := target.UnmarshalText([]byte(word)); {
	case errors.Is(err, errTooLarge) && r.minimum != "", err == nil && !r.contains(into):
		d.notef(n, path, "%s is out of range, want %s", clip(word), r.span())
	case err != nil && r.minimum != "" && notFinite.MatchString(word):
		d.notef(n, path, "%s, from %s", wrongText(word, err), r.span())
	case err != nil:
		d.notef(n, path, "%s", wrongText(word, err))
	}
}

// notFinite is a number that no size or time can be.
var notFinite = regexp.MustCompile(`^[-+]?(\.(inf|Inf|INF|nan|NaN|NAN)|[0-9.]+[eE][-+]?[0-9]+)$`)

// wrongText is the text of a mistake about a word: the word, unless the error has it, the
// error, and the nearest valid word.
func wrongText(word string, err error) string {
	text := err.Error()
	if !strings.Contains(text, strconv.Quote(word)) {
		text = fmt.Sprintf("%q: %s", clip(word), text)
	}
	if meant := meantUnit(word, err); meant != "" && meant != word {
		text += fmt.Sprintf(", did you mean %q?", meant)
	}
	return text
}

func (d *decoder) string(path string, n ast.Node, into reflect.Value, r rules) {
	var word string
	switch n := n.(type) {
	case *ast.StringNode:
		if _, number := numberText(n); number {
			d.notef(n, path, "want a text, got the number %s: put it in quotes", clip(n.Value))
			return
		}
		word = n.Value
	case *ast.LiteralNode:
		word = n.Value.Value
	default:
		hint := ""
		if _, scalar := scalarText(n); scalar {
			hint = ": put it in quotes"
		}
		d.notef(n, path, "want a text, got %s%s", describe(n), hint)
		return
	}
	if len(word) < r.minLength {
		d.notef(n, path, "is empty")
		return
	}
	into.SetString(word)
	if choices := d.built.choices(r); choices != nil {
		d.choice(path, n, word, r.key, choices)
	}
}

func (d *decoder) choice(path string, n ast.Node, word, key string, choices []Choice) {
	i := slices.IndexFunc(choices, func(c Choice) bool { return c.Name == word })
	switch offered := names(choices); {
	case i < 0:
		d.notef(n, path, "unknown %s %q, %s", key, clip(word), suggest(word, offered))
	case choices[i].LeftOut != "":
		d.notef(n, path, "%q is not built into this airhost: %s, want %s", word, choices[i].LeftOut, alternatives(offered))
	}
}

func (d *decoder) truth(path string, n ast.Node, into reflect.Value) {
	value, ok := n.(*ast.BoolNode)
	if !ok {
		d.notef(n, path, "want true or false, got %s", describe(n))
		return
	}
	into.SetBool(value.Value)
}

func (d *decoder) number(path string, n ast.Node, into reflect.Value, r rules) {
	word, ok := numberText(n)
	switch {
	case !ok:
		d.notef(n, path, "want a whole number, got %s", describe(n))
	case zeros.MatchString(word):
		d.notef(n, path, "%s: %s", clip(word), errZeros)
	case !wholeNumber.MatchString(word):
		d.notef(n, path, "want a whole number in decimal digits, %s, got %s", r.span(), clip(word))
	case !setDigits(into, word) || !r.contains(into):
		d.notef(n, path, "%s is out of range, want %s", clip(word), r.span())
	}
}

var (
	wholeNumber = regexp.MustCompile(`^-?[0-9]+$`)
	// numberLike matches all that YAML, or its author, takes for a number. The library
	// does not know all of these: it reads 08 and 1e400 as texts.
	numberLike = regexp.MustCompile(`^[-+]?(0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?|\.(inf|Inf|INF|nan|NaN|NAN))$`)
)

// numberText returns the text of a number as it was written.
func numberText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return scalarText(n)
	case *ast.StringNode:
		return n.Value, n.Token.Type == token.StringType && numberLike.MatchString(n.Value)
	}
	return "", false
}

// setDigits sets an integer, if it fits.
func setDigits(into reflect.Value, digits string) bool {
	if signed, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return setNumber(into, signed)
	}
	unsigned, err := strconv.ParseUint(digits, 10, 64)
	return err == nil && setNumber(into, unsigned)
}

// setNumber sets an integer from an int64 or uint64, if it fits.
func setNumber(into reflect.Value, number any) bool {
	from := reflect.ValueOf(number)
	switch {
	case into.CanInt() && from.CanInt() && !into.OverflowInt(from.Int()):
		into.SetInt(from.Int())
	case into.CanInt() && from.CanUint() && from.Uint() <= 1<<62 && !into.OverflowInt(int64(from.Uint())):
		into.SetInt(int64(from.Uint()))
	case into.CanUint() && from.CanUint() && !into.OverflowUint(from.Uint()):
		into.SetUint(from.Uint())
	case into.CanUint() && from.CanInt() && from.Int() >= 0 && !into.OverflowUint(uint64(from.Int())):
		into.SetUint(uint64(from.Int()))
	default:
		return false
	}
	return true
}

func (d *decoder) sequence(path string, n ast.Node, into reflect.Value, r rules) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.notef(n, path, "want a list, got %s", describe(n))
		return
	}
	if len(list.Values) < r.minItems {
		d.notef(n, path, "is empty, want at least one entry")
	}
	into.Set(reflect.MakeSlice(into.Type(), len(list.Values), len(list.Values)))
	for i, entry := range list.Values {
		d.value(fmt.Sprintf("%s[%d]", path, i), entry, into.Index(i), rules{minLength: r.eachMinLength})
	}
}

// pairs decodes a component's own settings. Only the guest knows their keys.
func (d *decoder) pairs(path string, n ast.Node, into *Pairs) {
	if _, isText := scalarText(n); isText {
		d.notef(n, path, "want keys and values, got a single value") // which may be a secret
		return
	}
	for _, e := range d.entries(path, n) {
		if d.full() || !d.counted(path, n) {
			return
		}
		d.file.marks[e.path] = mark{placeOf(e.keyNode), d.file.text}
		value := d.resolve(e.path, e.value)
		if value == nil {
			continue
		}
		if value, _ = d.substitute(e.path, value); value == nil {
			continue
		}
		text, ok := scalarText(value)
		if !ok {
			d.notef(value, e.path, "want a text, number or truth value, got %s", describe(value))
			continue
		}
		*into = append(*into, core.ConfigPair{Key: e.key, Value: text})
	}
}
