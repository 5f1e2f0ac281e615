package config

import (
	"encoding"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// field is one key of a struct of the configuration.
type field struct {
	key      string
	index    int
	required bool
	rules
}

// rules are the conditions on a field's value. They are read from its jsonschema tag, so
// that schema and decoder cannot disagree.
type rules struct {
	key                 string
	enum                []string
	minimum, maximum    string // in the type's own syntax, empty if there is none
	fallback            string // the default
	minLength, minItems int
	eachMinLength       int // of the entries of a list
}

// ownKeys are those that each component has by itself.
var ownKeys = []string{"id", "source", "sha256", "secrets"}

// fieldsOf returns a struct's keys in the order of its fields; none for other
// types.
func fieldsOf(t reflect.Type) []field {
	if t.Kind() != reflect.Struct {
		return nil
	}
	var fields []field
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if key != "" && (t != reflect.TypeFor[Defaults]() || !slices.Contains(ownKeys, key)) {
			f := field{key: key, index: i, rules: rules{key: key}}
			f.read(t.Field(i).Tag.Get("jsonschema"))
			fields = append(fields, f)
		}
	}
	return fields
}

func (f *field) read(tag string) {
	for part := range strings.SplitSeq(tag, ",") {
		word, value, _ := strings.Cut(part, "=")
		switch word {
		case "required":
			f.required = true
		case "enum":
			f.enum = append(f.enum, value)
		case "minimum":
			f.minimum = value
		case "maximum":
			f.maximum = value
		case "default":
			f.fallback = value
		case "minLength":
			f.minLength, _ = strconv.Atoi(value)
		case "eachMinLength":
			f.eachMinLength, _ = strconv.Atoi(value)
		case "minItems":
			f.minItems, _ = strconv.Atoi(value)
		}
	}
}

// contains reports whether a number, duration or size is in range.
func (r rules) contains(v reflect.Value) bool {
	switch {
	case v.CanInt():
		return (r.minimum == "" || v.Int() >= bound(v.Type(), r.minimum).Int()) &&
			(r.maximum == "" || v.Int() <= bound(v.Type(), r.maximum).Int())
	case v.CanUint():
		return (r.minimum == "" || v.Uint() >= bound(v.Type(), r.minimum).Uint()) &&
			(r.maximum == "" || v.Uint() <= bound(v.Type(), r.maximum).Uint())
	}
	return true
}

// bound reads a limit of a tag in the syntax of type t. Tags are constant, so a
// limit that cannot be read is a programming error; a test reads them all.
func bound(t reflect.Type, text string) reflect.Value {
	v := reflect.New(t)
	if custom, ok := v.Interface().(encoding.TextUnmarshaler); ok {
		if err := custom.UnmarshalText([]byte(text)); err != nil {
			panic(err)
		}
		return v.Elem()
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !setNumber(v.Elem(), number) {
		panic("config: bad limit " + text)
	}
	return v.Elem()
}

// span names the range, for an error.
func (r rules) span() string {
	if r.maximum == "" {
		return r.minimum + " or more"
	}
	return r.minimum + " to " + r.maximum
}
