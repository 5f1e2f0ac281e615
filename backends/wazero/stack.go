package wazero

import (
	"reflect"

	"github.com/tetratelabs/wazero/api"
)

// stackField returns the index of the field with the stack of a function, or -1. The
// index is the same for all functions of an engine. Each function that was looked up
// has its own stack, which doubles when calls need more and never shrinks. wazero
// does not report its size. Reading the length of the field by reflection is safe,
// and a test fails if the field moves.
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

// stackSize returns the size of a function's stack in bytes, or 0 if it is unknown.
func stackSize(fn api.Function, field int) int64 {
	if fn == nil || field < 0 {
		return 0
	}
	stack := reflect.ValueOf(fn).Elem().Field(field)
	return int64(stack.Cap()) * int64(stack.Type().Elem().Size())
}
