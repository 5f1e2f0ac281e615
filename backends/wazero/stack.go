package wazero

import (
	"reflect"

	"github.com/tetratelabs/wazero/api"
)

// stackField is where a function, and all others of its engine, have their stacks: a
// field's index, or -1. A function that has been looked up has a stack of its own, which doubles as calls
// need it, and never shrinks. wazero does not say how large it is; reading a field's
// length takes no unsafe, and a test fails if the field moves.
func stackField(fn api.Function) int {
	t := reflect.TypeOf(fn)
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return -1
	}
	field, ok := t.Elem().FieldByName("stack")
	if !ok || field.Type.Kind() != reflect.Slice || len(field.Index) != 1 {
		return -1
	}
	return field.Index[0]
}

// stackSize returns how many bytes the stack of a function takes, or 0 where it cannot
// be told.
func stackSize(fn api.Function, field int) int64 {
	if fn == nil || field < 0 {
		return 0
	}
	stack := reflect.ValueOf(fn).Elem().Field(field)
	return int64(stack.Cap()) * int64(stack.Type().Elem().Size())
}
