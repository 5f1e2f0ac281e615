package config

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// entry is one key of a mapping with its value.
type entry struct {
	key, path string
	keyNode   ast.Node
	value     ast.Node
}

// entries returns the keys of a mapping once each, in their order.
func (d *decoder) entries(path string, n ast.Node) []entry {
	m, ok := n.(ast.MapNode)
	if !ok {
		d.notef(n, path, "want keys and values, got %s", describe(n))
		return nil
	}
	var list []entry
	first := map[string]int{}
	for it := m.MapRange(); it.Next(); {
		key, ok := d.key(path, it.Key())
		if !ok {
			continue
		}
		e := entry{key, join(path, key), it.Key(), it.Value()}
		if line, twice := first[key]; twice {
			d.notef(e.keyNode, e.path, "given twice, first in line %d", line)
			continue
		}
		first[key] = placeOf(e.keyNode).line
		list = append(list, e)
	}
	return list
}

func (d *decoder) key(path string, n ast.MapKeyNode) (string, bool) {
	if n.IsMergeKey() {
		d.notef(n, path, "<< is not supported: give a whole value an &anchor and repeat it with *anchor")
		return "", false
	}
	key, ok := scalarText(n)
	if !ok {
		d.notef(n, path, "want a plain key, got %s", describe(n))
	}
	return key, ok
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// mapping decodes keys that are the fields of a struct.
func (d *decoder) mapping(path string, n ast.Node, into reflect.Value) {
	fields := fieldsOf(into.Type())
	_, isMap := n.(ast.MapNode)
	given := map[string]bool{}
	for _, e := range d.entries(path, n) {
		if d.full() {
			return
		}
		given[e.key] = true
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == e.key })
		if i < 0 {
			d.notef(e.keyNode, e.path, "%s", unknownKey(e.key, e.path, fields))
			continue
		}
		d.value(e.path, e.value, into.Field(fields[i].index), fields[i].rules)
	}
	if into.Type() == reflect.TypeFor[File]() && isMap && !given["components"] && !given["include"] {
		d.notef(n, path, "the key %q is missing", "components")
	}
	for _, f := range fields {
		if f.required && !given[f.key] && isMap {
			d.notef(n, path, "the key %q is missing", f.key)
		}
	}
}

// named decodes keys that are names of the file's own, or ids.
func (d *decoder) named(path string, n ast.Node, into reflect.Value) {
	into.Set(reflect.MakeMap(into.Type()))
	for _, e := range d.entries(path, n) {
		if d.full() {
			return
		}
		key, value := reflect.New(into.Type().Key()), reflect.New(into.Type().Elem()).Elem()
		if id, ok := key.Interface().(encoding.TextUnmarshaler); !ok {
			key.Elem().SetString(e.key)
		} else if err := id.UnmarshalText([]byte(e.key)); err != nil {
			d.notef(e.keyNode, e.path, "the name of a function is like an id: %s", err)
			continue
		}
		d.value(e.path, e.value, value, rules{})
		d.file.marks[e.path] = mark{placeOf(e.keyNode), d.file.text}
		into.SetMapIndex(key.Elem(), value)
	}
}

// renamed are former keys, by the ends of their paths, with their new names.
var renamed = map[string]string{
	".process.start_timeout": "limits.start_time",
	".process.sha256":        "sha256 beside source",
	".process.env":           "env beside source",
	".env_from":              "env, with NAME: ${NAME} for each variable",
}

// unknownKey is the text about an unknown key: the place where the key is valid, or the
// nearest valid key.
func unknownKey(key, path string, fields []field) string {
	for former, now := range renamed {
		if strings.HasSuffix(path, former) {
			return "is now " + now
		}
	}
	if path == "defaults."+key && slices.Contains(ownKeys, key) {
		return "belongs to each component: it has no default"
	}
	if home := homeOf(key, reflect.TypeFor[File](), ""); home != "" {
		return fmt.Sprintf("unknown key here, it belongs to %s", home)
	}
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return "unknown key, " + suggest(key, keys)
}

// homeOf returns the path of the struct that has the key, below t at path.
func homeOf(key string, t reflect.Type, path string) string {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		if t.Kind() == reflect.Map {
			path += ".NAME"
		} else {
			path += "[]"
		}
		t = t.Elem()
	}
	if t == reflect.TypeFor[Part]() {
		t = reflect.TypeFor[Extension]()
	}
	for _, f := range fieldsOf(t) {
		if f.key == key {
			return cmp.Or(path, "the top of the file")
		}
		if path == "defaults."+key && slices.Contains(ownKeys, key) {
			return "belongs to each component: it has no default"
		}
		if home := homeOf(key, t.Field(f.index).Type, join(path, f.key)); home != "" {
			return home
		}
	}
	return ""
}

// scalarText returns the text of a value that is not a list, mapping or null, as
// it was written.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return strings.TrimSpace(n.GetToken().Value), true
	}
	return "", false
}

// describe names the kind of a value and the value, for the text of a mistake.
func describe(n ast.Node) string {
	text, _ := scalarText(n)
	switch n.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return fmt.Sprintf("the text %q", clip(text))
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + clip(text)
	case *ast.BoolNode:
		return "the truth value " + text
	case *ast.NullNode:
		return "nothing"
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "keys and values"
	}
	return "something else"
}

// clip shortens a wrong value for the text of a mistake.
func clip(text string) string { return clipTo(withoutUserInfo(text), 60) }

// clipTo returns at most so many characters of a text.
func clipTo(text string, most int) string {
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i] + "…"
		}
	}
	return text
}
