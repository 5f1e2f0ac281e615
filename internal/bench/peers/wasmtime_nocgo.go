//go:build !cgo

package main

import (
	"context"
	"errors"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// wasmtimeMissing is the reason why this build has no Wasmtime.
const wasmtimeMissing = "it needs cgo, and this program was built without"

func openWasmtime(context.Context, cells.Pattern, int) (host, error) {
	return nil, errors.New(wasmtimeMissing)
}
