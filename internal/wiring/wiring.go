// Package wiring is what the fx modules of engines, brokers and trackers share.
package wiring

import (
	"fmt"
	"reflect"
)

// Config returns the configuration that an application supplies, which may be a value
// or a pointer, and the zero value where it supplies neither. Both are an error.
func Config[C any](value C, pointer *C) (C, error) {
	if pointer == nil {
		return value, nil
	}
	if !reflect.ValueOf(value).IsZero() {
		return value, fmt.Errorf("there are two configurations, a %T and a %T; supply one", value, pointer)
	}
	return *pointer, nil
}
