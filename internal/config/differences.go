package config

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Difference is a key with two values, in the words of a file.
type Difference struct{ Path, Old, New string }

// The words for values that are not shown.
const (
	hiddenValue = "…" // it may be a secret
	noValue     = "-" // it was left out, and there is no default
)

// Differences returns the keys that differ between two components, in the order of their fields.
// Values that were left out are the defaults. What may be a secret is "…": the values of config and
// env, and both values of a key of which one came from a variable.
func Differences(old, new *Component) []Difference {
	c := comparison{old: old.substituted, new: new.substituted}
	c.fields("", reflect.ValueOf(old).Elem(), reflect.ValueOf(new).Elem())
	return c.all
}

// GatewayDifferences is [Differences] for gateway.http of two files. A route that changes is one that
// goes, and one that comes.
func GatewayDifferences(old, new *File) []Difference {
	c := comparison{old: old.substitutedBelow("gateway.http."), new: new.substitutedBelow("gateway.http.")}
	c.fields("", reflect.ValueOf(&old.Gateway.HTTP).Elem(), reflect.ValueOf(&new.Gateway.HTTP).Elem())
	return c.all
}

// ScheduleDifferences is [Differences] for the schedules of two files: those that go, and those
// that come.
func ScheduleDifferences(old, new *File) []Difference {
	c := comparison{old: old.Substituted, new: new.Substituted}
	c.items("schedules", reflect.ValueOf(&old.Schedules).Elem(), reflect.ValueOf(&new.Schedules).Elem())
	return c.all
}

// comparison compares values. old and new report whether that at a path came from a variable.
type comparison struct {
	old, new func(path string) bool
	all      []Difference
}

// fields compares two structs at a path.
func (c *comparison) fields(path string, old, new reflect.Value) {
	for _, f := range fieldsOf(old.Type()) {
		at, a, b := join(path, f.key), old.Field(f.index), new.Field(f.index)
		switch {
		case a.Type() == reflect.TypeFor[Pairs]():
			c.pairs(at, a.Interface().(Pairs), b.Interface().(Pairs))
		case a.Kind() == reflect.Slice && isGroup(a.Type().Elem()):
			c.items(at, a, b)
		case a.Type() == reflect.TypeFor[Secrets]():
			c.secrets(at, a.Interface().(Secrets), b.Interface().(Secrets))
		case isGroup(a.Type()):
			c.fields(at, a, b)
		default:
			c.value(at, shownValue(a, f.rules), shownValue(b, f.rules))
		}
	}
}

// isGroup reports whether values of a type are keys and values in a file.
func isGroup(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

// value adds a difference between two values, if there is one.
func (c *comparison) value(path, old, new string) {
	if old == new {
		return
	}
	if c.old(path) || c.new(path) {
		old, new = hidden(old), hidden(new)
	}
	c.all = append(c.all, Difference{path, old, new})
}

// items compares two lists of structs: it adds those that only one of them has.
func (c *comparison) items(path string, old, new reflect.Value) {
	before, after := itemTexts(path, old, c.old), itemTexts(path, new, c.new)
	found := len(c.all)
	for _, text := range before {
		if !slices.Contains(after, text) {
			c.all = append(c.all, Difference{path, text, noValue})
		}
	}
	for _, text := range after {
		if !slices.Contains(before, text) {
			c.all = append(c.all, Difference{path, noValue, text})
		}
	}
	if found == len(c.all) && !reflect.DeepEqual(old.Interface(), new.Interface()) {
		c.all = append(c.all, Difference{path, fmt.Sprint(len(before)), fmt.Sprintf("%d, in another order, or with other hidden values", len(after))})
	}
}

// itemTexts are the structs of a list in the words of a file.
func itemTexts(path string, list reflect.Value, substituted func(string) bool) (texts []string) {
	for i := range list.Len() {
		var keys []string
		for _, f := range fieldsOf(list.Type().Elem()) {
			value := list.Index(i).Field(f.index)
			if value.IsZero() {
				continue
			}
			text := valueText(value)
			if substituted(fmt.Sprintf("%s[%d].%s", path, i, f.key)) {
				text = hiddenValue
			}
			keys = append(keys, f.key+": "+text)
		}
		texts = append(texts, clipTo(printable("{"+strings.Join(keys, ", ")+"}"), maxPart))
	}
	return texts
}

// pairs compares settings, and then their order.
func (c *comparison) pairs(path string, old, new Pairs) {
	values := func(pairs Pairs) (keys []string, values map[string]string) {
		values = map[string]string{}
		for _, pair := range pairs {
			keys, values[pair.Key] = append(keys, pair.Key), "="+pair.Value
		}
		return keys, values
	}
	oldKeys, before := values(old)
	newKeys, after := values(new)
	for _, key := range append(slices.Clone(oldKeys), newKeys...) {
		if a, b := before[key], after[key]; a != b {
			c.all = append(c.all, Difference{join(path, key), hidden(cmp.Or(a, noValue)), hidden(cmp.Or(b, noValue))})
		}
		delete(before, key) // a key of both is compared once
		delete(after, key)
	}
	if !slices.Equal(oldKeys, newKeys) && slices.Equal(slices.Sorted(slices.Values(oldKeys)), slices.Sorted(slices.Values(newKeys))) {
		c.all = append(c.all, Difference{path, "in the order " + listText(oldKeys), "in the order " + listText(newKeys)})
	}
}

// hidden stands for a value that is not shown.
func hidden(value string) string {
	if value == noValue {
		return noValue
	}
	return hiddenValue
}

// shownValue is a value in the words of a file.
func shownValue(v reflect.Value, r rules) string {
	_, isInstances := v.Interface().(Instances)
	switch {
	case !v.IsZero() && (v.Kind() != reflect.Slice || v.Len() > 0):
		return clipTo(printable(valueText(v)), maxPart)
	case isInstances:
		return "1"
	case r.fallback == "":
		return noValue
	case v.CanInt() || v.CanUint():
		return valueText(bound(v.Type(), r.fallback))
	}
	return r.fallback
}

func valueText(v reflect.Value) string {
	if text, ok := v.Interface().(encoding.TextMarshaler); ok {
		if b, err := text.MarshalText(); err == nil {
			return string(b)
		}
	}
	if v.Kind() == reflect.Slice {
		var all []string
		for i := range v.Len() {
			all = append(all, valueText(v.Index(i)))
		}
		return listText(all)
	}
	return fmt.Sprint(v.Interface())
}

func listText(all []string) string { return "[" + strings.Join(all, ", ") + "]" }

// substituted reports whether the value at a path, or one above or below it, came from a variable.
func (c *Component) substituted(path string) bool {
	for at := range c.variables {
		if at == path || below(path, at) || below(at, path) {
			return true
		}
	}
	return false
}

// substitutedBelow is Substituted for paths below another one.
func (f *File) substitutedBelow(prefix string) func(string) bool {
	return func(path string) bool { return f.Substituted(prefix + path) }
}

// noteVariables tells the components which of their values came from variables.
func (f *File) noteVariables() {
	for path := range f.variables {
		i, rest, is := componentOf(path)
		if !is || i >= len(f.Components) {
			continue
		}
		c := &f.Components[i]
		if c.variables == nil {
			c.variables = map[string]bool{}
		}
		c.variables[strings.TrimPrefix(rest, ".")] = true
	}
}
