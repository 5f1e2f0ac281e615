package wasi

import (
	"bytes"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/wit"
)

// maxHeld bounds the fields and other texts of HTTP that a guest's resources hold, in
// bytes. Each field counts fieldSize more.
const (
	maxHeld   = 1 << 20
	fieldSize = 64
)

// hold counts bytes that resources hold, or that they hold no longer if n is negative.
func (in *Instance) hold(n int) {
	if in.held += n; in.held > maxHeld {
		tooMuch("it holds more than 1 MiB of HTTP fields and other texts")
	}
}

type field struct {
	name  string
	value []byte
}

func (f *field) size() int { return fieldSize + len(f.name) + len(f.value) }

// fields are header fields or trailers, in their order.
type fields struct{ list []field }

// fieldsView is the resource fields. It owns its fields, or is a child of the request or
// response that does, and can't change them.
type fieldsView struct {
	*fields
	child bool
}

func (v fieldsView) dropped(in *Instance) {
	if !v.child {
		v.fields.dropped(in)
	}
}

func (f *fields) dropped(in *Instance) {
	for i := range f.list {
		in.hold(-f.list[i].size())
	}
	f.list = nil
}

func (f *fields) add(in *Instance, name string, value []byte) {
	added := field{name, value}
	in.hold(added.size())
	added.value = bytes.Clone(value)
	f.list = append(f.list, added)
}

func (f *fields) remove(in *Instance, name string) {
	f.list = slices.DeleteFunc(f.list, func(x field) bool {
		same := strings.EqualFold(x.name, name)
		if same {
			in.hold(-x.size())
		}
		return same
	})
}

// copied returns fields of their own with the same names and values.
func (f *fields) copied(in *Instance) *fields {
	made := &fields{}
	for i := range f.list {
		made.add(in, f.list[i].name, f.list[i].value)
	}
	return made
}

// values returns all values of a name.
func (f *fields) values(name string) []any {
	values := []any{}
	for i := range f.list {
		if strings.EqualFold(f.list[i].name, name) {
			values = append(values, f.list[i].value)
		}
	}
	return values
}

// forbidden are the names of fields that belong to the connection, which is the host's.
var forbidden = []string{
	"connection", "host", "http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
	"transfer-encoding", "upgrade",
}

// wrongField returns the header-error of a name with its values, or -1.
func wrongField(name string, values ...any) int {
	if !isToken(name) {
		return wit.HeaderInvalidSyntax
	}
	for _, v := range values {
		if bytes.ContainsFunc(v.([]byte), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return wit.HeaderInvalidSyntax
		}
	}
	if slices.Contains(forbidden, strings.ToLower(name)) {
		return wit.HeaderForbidden
	}
	return -1
}

func headerError(number int) any { return failed(variant{number: uint32(number)}) }

// isToken reports whether s is a token of HTTP.
func isToken(s string) bool { return s != "" && only(s, "!#$%&'*+-.^_`|~") }

// only reports whether s has no characters but letters, digits and these.
func only(s, others string) bool {
	for i := range len(s) {
		c := s[i]
		if letter := c|0x20 >= 'a' && c|0x20 <= 'z'; !letter && (c < '0' || c > '9') && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}

func viewOf(borrowed any) fieldsView { return borrowed.(*handle).value.(fieldsView) }

func newFields(*call) any { return fieldsView{fields: &fields{}} }

func fieldsFromList(c *call) any {
	made := &fields{}
	for _, e := range c.args[0].([]any) {
		name, value := e.([]any)[0].(string), e.([]any)[1].([]byte)
		if wrong := wrongField(name, value); wrong >= 0 {
			made.dropped(c.Instance)
			return headerError(wrong)
		}
		made.add(c.Instance, name, value)
	}
	return ok(fieldsView{fields: made})
}

// changes is a function that changes the values of a name.
func changes(do func(c *call, f *fields, name string), values func(c *call) []any) method {
	return func(c *call) any {
		view, name := viewOf(c.args[0]), c.args[1].(string)
		if view.child {
			return headerError(wit.HeaderImmutable)
		}
		if value, ok := c.args[len(c.args)-1].([]byte); ok {
			c.spend(uint32(len(value)))
		}
		if wrong := wrongField(name, values(c)...); wrong >= 0 {
			return headerError(wrong)
		}
		do(c, view.fields, name)
		return ok(nil)
	}
}

func setField(c *call, f *fields, name string) {
	f.remove(c.Instance, name)
	for _, v := range c.args[2].([]any) {
		f.add(c.Instance, name, v.([]byte))
	}
}

func deleteField(c *call, f *fields, name string) { f.remove(c.Instance, name) }

func appendField(c *call, f *fields, name string) { f.add(c.Instance, name, c.args[2].([]byte)) }

func fieldEntries(c *call) any {
	list := []any{}
	for _, f := range viewOf(c.args[0]).list {
		list = append(list, []any{f.name, f.value})
	}
	return list
}
