package component

import (
	"fmt"
	"strings"
)

// kindNames are the kinds' names in WIT.
var kindNames = map[Kind]string{
	Map: "map", Future: "future", Stream: "stream", Borrow: "borrow", Own: "own", Result: "result", Option: "option",
	Enum: "enum", Flags: "flags", Tuple: "tuple", List: "list", Variant: "variant", Record: "record",
}

// Bounds of a type's text.
const (
	maxText      = 300 // bytes
	maxTextName  = 60  // bytes
	maxTextDepth = 4
	maxTextParts = 8
)

// String returns the type as WIT writes it. It is cut if it is long.
func (t *valueType) String() string {
	return cut(t.text(maxTextDepth), maxText)
}

// cut shortens a text to so many bytes.
func cut(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// text writes a type by its name, if it has one.
func (t *valueType) text(deep int) string {
	if t != nil && t.name != "" {
		return cut(t.name, maxTextName)
	}
	return t.whole(deep)
}

// whole writes a type with its parts, of which those are left out that are too deep.
func (t *valueType) whole(deep int) string {
	switch {
	case t == nil:
		return "_"
	case t.prim != Indexed:
		return prims[t.prim]
	case deep == 0:
		return "…"
	case t.kind == Result:
		return t.result(deep)
	}
	var in []string
	braces := t.kind == Record || t.kind == Variant || t.kind == Flags || t.kind == Enum
	for i := range t.fields {
		if i == maxTextParts {
			in = append(in, "…")
			break
		}
		in = append(in, t.field(i, deep-1))
	}
	if t.resource != nil {
		in = append(in, cut(t.resource.id.name, maxTextName))
	}
	for _, p := range []*valueType{t.elem, t.second} {
		if p != nil {
			in = append(in, p.text(deep-1))
		}
	}
	if t.fixed {
		in = append(in, fmt.Sprint(t.length))
	}
	switch {
	case braces:
		return kindNames[t.kind] + " { " + strings.Join(in, ", ") + " }"
	case len(in) == 0:
		return kindNames[t.kind]
	}
	return kindNames[t.kind] + "<" + strings.Join(in, ", ") + ">"
}

func (t *valueType) field(i, deep int) string {
	f := &t.fields[i]
	name := cut(f.name, maxTextName)
	switch {
	case name == "":
		return f.typ.text(deep)
	case f.typ == nil:
		return name
	case t.kind == Record:
		return name + ": " + f.typ.text(deep)
	}
	return name + "(" + f.typ.text(deep) + ")"
}

func (t *valueType) result(deep int) string {
	switch {
	case t.elem == nil && t.second == nil:
		return "result"
	case t.second == nil:
		return "result<" + t.elem.text(deep-1) + ">"
	}
	return "result<" + t.elem.text(deep-1) + ", " + t.second.text(deep-1) + ">"
}

// maxCompared bounds how deep types are compared. Those of the contract are less deep.
const maxCompared = 10

// difference returns the first difference between a function and the one that the
// contract has, in WIT's words, or "" if there is none.
func difference(got, want *funcType) string {
	if got.async {
		return "it is an async func, want a func"
	}
	for i := range max(len(got.params), len(want.params)) {
		switch {
		case i >= len(got.params):
			return fmt.Sprintf("the parameter %s: %s is missing", want.params[i].name, want.params[i].typ)
		case i >= len(want.params):
			return fmt.Sprintf("there is a parameter %.100s: %s too many", got.params[i].name, got.params[i].typ)
		}
		g, w := &got.params[i], &want.params[i]
		if g.name != w.name {
			return fmt.Sprintf("parameter %d is %.100s, want %s", i+1, g.name, w.name)
		}
		if d := differ("the parameter "+g.name, g.typ, w.typ); d != "" {
			return d
		}
	}
	switch {
	case got.result == nil && want.result != nil:
		return fmt.Sprintf("it has no result, want %s", want.result)
	case got.result != nil && want.result == nil:
		return fmt.Sprintf("it has the result %s, want none", got.result)
	}
	return differ("the result", got.result, want.result)
}

// differ says how the type of something differs, or "". If both have the same name, the
// difference is inside the type of that name.
func differ(what string, got, want *valueType) string {
	if equalTypes(got, want, maxCompared) {
		return ""
	}
	if g, w := got.String(), want.String(); g != w {
		return fmt.Sprintf("%s is %s, want %s", what, g, w)
	}
	g, w := inside(got, want, maxCompared)
	return fmt.Sprintf("%s has another %s: it is %s, want %s", what, w, cut(g.whole(maxTextDepth), maxText), cut(w.whole(maxTextDepth), maxText))
}

// inside returns the innermost named types that differ.
func inside(got, want *valueType, deep int) (g, w *valueType) {
	g, w = got, want
	if deep == 0 || got == nil || want == nil || len(got.fields) != len(want.fields) {
		return g, w
	}
	pairs := [][2]*valueType{{got.elem, want.elem}, {got.second, want.second}}
	for i := range got.fields {
		pairs = append(pairs, [2]*valueType{got.fields[i].typ, want.fields[i].typ})
	}
	for _, p := range pairs {
		if p[0] != nil && p[1] != nil && p[0].String() == p[1].String() && !equalTypes(p[0], p[1], maxCompared) {
			return inside(p[0], p[1], deep-1)
		}
	}
	return g, w
}

// equalTypes compares types without resources, of which the contract has none.
func equalTypes(got, want *valueType, deep int) bool {
	if got == nil || want == nil || deep == 0 {
		return got == want
	}
	if got.prim != want.prim || got.kind != want.kind || got.fixed != want.fixed || got.resource != nil || len(got.fields) != len(want.fields) {
		return false
	}
	for i := range got.fields {
		if got.fields[i].name != want.fields[i].name || !equalTypes(got.fields[i].typ, want.fields[i].typ, deep-1) {
			return false
		}
	}
	return equalTypes(got.elem, want.elem, deep-1) && equalTypes(got.second, want.second, deep-1)
}
