package component

import "strings"

// witReader reads types of the contract in WIT. The text is our own, so that mistakes
// are found by tests.
type witReader struct{ rest string }

// word reads a name, or "" if there is none.
func (r *witReader) word() string {
	r.rest = strings.TrimLeft(r.rest, " ")
	end := strings.IndexFunc(r.rest, func(c rune) bool {
		return c != '-' && c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9')
	})
	if end < 0 {
		end = len(r.rest)
	}
	word := r.rest[:end]
	r.rest = r.rest[end:]
	return word
}

// take skips a mark, and reports whether it was there.
func (r *witReader) take(mark string) bool {
	rest := strings.TrimLeft(r.rest, " ")
	if !strings.HasPrefix(rest, mark) {
		return false
	}
	r.rest = rest[len(mark):]
	return true
}

// parseFunc reads the type of a function of the contract.
func parseFunc(text string) *funcType {
	r := &witReader{text}
	r.take("func(")
	f := &funcType{}
	for !r.take(")") && r.rest != "" {
		name := r.word()
		r.take(":")
		f.params = append(f.params, fieldType{name, r.valueType()})
		r.take(",")
	}
	if r.take("->") {
		f.result = r.valueType()
	}
	return f
}

// witKinds are the kinds of types that WIT writes with their parts.
var witKinds = map[string]Kind{
	"list": List, "tuple": Tuple, "result": Result, "option": Option, "variant": Variant, "enum": Enum, "record": Record, "flags": Flags,
}

// valueType reads the type of a value, or nil for _.
func (r *witReader) valueType() *valueType {
	name := r.word()
	if name == "_" {
		return nil
	}
	for p, word := range prims {
		if word == name {
			return primTypes[p]
		}
	}
	kind, ok := witKinds[name]
	if !ok {
		named := *(&witReader{contractTypes[name]}).valueType()
		named.name = name
		return &named
	}
	t := &valueType{prim: Indexed, kind: kind}
	switch {
	case r.take("<"):
		r.arguments(t)
	case r.take("{"):
		for !r.take("}") && r.rest != "" {
			f := fieldType{name: r.word()}
			if r.take("(") {
				f.typ = r.valueType()
				r.take(")")
			}
			if r.take(":") {
				f.typ = r.valueType()
			}
			t.fields = append(t.fields, f)
			r.take(",")
		}
	}
	return t
}

// arguments reads the types between < and >.
func (r *witReader) arguments(t *valueType) {
	var in []*valueType
	for !r.take(">") && r.rest != "" {
		in = append(in, r.valueType())
		r.take(",")
	}
	switch t.kind {
	case Tuple:
		for _, p := range in {
			t.fields = append(t.fields, fieldType{typ: p})
		}
	case Result:
		t.elem, t.second = in[0], append(in, nil)[1]
	default:
		t.elem = in[0]
	}
}
