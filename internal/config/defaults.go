package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/airhost/airhost/core"
)

// layer are defaults of components. Paths are relative to the component.
type layer struct {
	values    Defaults
	given     map[string]bool
	variables map[string]variable
}

// defaults returns the defaults of a file, over those of the main file.
func (d *decoder) defaults(f *File, main *layer) *layer {
	const head = "defaults"
	l := &layer{values: f.Defaults, given: map[string]bool{}, variables: map[string]variable{}}
	for path := range f.marks {
		if below(head, path) {
			l.given[path[len(head):]] = true
		}
	}
	for path, v := range f.variables {
		if below(head, path) {
			l.variables[path[len(head):]] = v
		}
	}
	d.contradictions(f)
	if main == nil {
		return l
	}
	m := merger{from: main, own: func(path string) bool { return l.given[path] }, more: d.more}
	m.fields("", reflect.ValueOf(&l.values).Elem(), reflect.ValueOf(&main.values).Elem())
	for path := range m.taken {
		for above := path; above != ""; above = above[:strings.LastIndexByte(above, '.')] {
			l.given[above] = true
		}
	}
	for path, v := range m.variables() {
		l.variables[path] = v
	}
	return l
}

// contradictions notes those within the defaults of a file.
func (d *decoder) contradictions(f *File) {
	const path = "defaults"
	c := Component(f.Defaults)
	c.Engine = "" // what it does not have is left out for its components
	d.restart(&c.Restart, path+".restart")
	d.variables(c.Env, path)
	if c.Limits.HandlerTime != 0 {
		d.handlerTime(&c, path+".limits")
	}
	if c.Limits.MailboxBytes != 0 && c.Quota.MessageSize != 0 {
		d.mailbox(&c, path)
	}
}

// complete gives component i what it does not say: the defaults of its file, and the engine.
func (d *decoder) complete(i int, l *layer) {
	c, path := &d.file.Components[i], fmt.Sprintf("components[%d]", i)
	own := func(key string) bool { return d.file.given(path + key) }
	if !own(".engine") {
		c.Engine = l.values.Engine
	}
	if c.Engine == "" && len(d.built.Engines) > 0 {
		c.Engine = d.built.Engines[0].Name
	}
	m := merger{from: l, own: own, more: d.more, idle: idle(c.Engine)}
	if c.Delivery != deliveryDurable && (own(".delivery") || l.values.Delivery != deliveryDurable) {
		m.idle = append(m.idle, ".restart.max_deliver")
	}
	m.fields("", reflect.ValueOf((*Defaults)(c)).Elem(), reflect.ValueOf(&l.values).Elem())
	for below, v := range m.variables() {
		d.file.variables[path+below] = v
	}
}

// maxMerged is how many values defaults may give to all components together.
const maxMerged = 1_000_000

// more counts a value that defaults give to a component. It reports whether there may be as many.
func (d *decoder) more() bool {
	if d.merged++; d.merged == maxMerged {
		d.at("defaults", "give more than %d values to all components together", maxMerged)
	}
	return d.merged < maxMerged
}

// webAssemblyLimits are the keys of limits that other engines do not keep.
var webAssemblyLimits = []string{"memory", "table_elements", "nesting", "stack", "fuel"}

// idle returns the keys that do nothing for components of an engine.
func idle(engine string) (keys []string) {
	if engine == "native" || engine == "process" {
		for _, key := range append(webAssemblyLimits, "handler_wall_time") {
			keys = append(keys, ".limits."+key)
		}
	}
	if engine != "process" {
		keys = append(keys, ".process")
	}
	switch engine {
	case "native":
		keys = append(keys, ".env", ".args")
	case "process":
		keys = append(keys, ".args")
	}
	return keys
}

// merger completes settings by a layer of defaults.
type merger struct {
	from  *layer
	own   func(path string) bool // reports whether the settings have a key
	idle  []string               // keys that are left out
	more  func() bool            // counts a value, and reports whether there may be one more
	taken map[string]bool        // the paths of the values that were taken, without keys below them
}

// fields completes a struct at a path.
func (m *merger) fields(path string, into, from reflect.Value) {
	for _, f := range fieldsOf(into.Type()) {
		at := path + "." + f.key
		if !m.from.given[at] || slices.Contains(m.idle, at) {
			continue
		}
		to, by := into.Field(f.index), from.Field(f.index)
		_, isText := to.Addr().Interface().(encoding.TextUnmarshaler)
		switch pairs, isPairs := to.Addr().Interface().(*Pairs); {
		case isPairs:
			*pairs = m.pairs(at, *pairs, by.Interface().(Pairs))
		case to.Kind() == reflect.Struct && !isText:
			m.fields(at, to, by)
		case !m.own(at) && m.take(at):
			to.Set(by)
		}
	}
}

// take notes that a value is taken, unless there are too many.
func (m *merger) take(path string) bool {
	if !m.more() {
		return false
	}
	if m.taken == nil {
		m.taken = map[string]bool{}
	}
	m.taken[path] = true
	return true
}

// pairs returns the defaults in their order, with own values, and then the other own pairs.
func (m *merger) pairs(path string, own, from Pairs) Pairs {
	all := make(Pairs, 0, len(from)+len(own))
	index := make(map[string]int, len(from)+len(own))
	for _, pair := range from {
		if at := path + "." + pair.Key; m.own(at) || m.take(at) {
			index[pair.Key] = len(all)
			all = append(all, pair)
		}
	}
	for _, pair := range own {
		if i, both := index[pair.Key]; both {
			all[i] = pair
			continue
		}
		all = append(all, core.ConfigPair{Key: pair.Key, Value: pair.Value})
	}
	return all
}

// variables returns the values that were taken and came from variables.
func (m *merger) variables() map[string]variable {
	all := map[string]variable{}
	for path, v := range m.from.variables {
		list, _, _ := strings.Cut(path, "[")
		if m.taken[path] || m.taken[list] {
			all[path] = v
		}
	}
	return all
}
