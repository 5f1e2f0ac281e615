package floor_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/floor"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

func TestFloors(t *testing.T) {
	for _, pattern := range cells.Patterns() {
		for _, payload := range []int{24, 64, 1024, 1 << 20} {
			compiled, err := floor.NewWazero(t.Context(), "wazero", wazero.NewRuntimeConfig(), guests.Floor, pattern, payload)
			if err != nil {
				t.Fatal(err)
			}
			defer compiled.Close()
			for _, f := range append(others(t, pattern, payload), compiled, floor.NewNative(pattern, payload)) {
				for _, n := range []int{1, 1000} {
					if elapsed, err := f.Run(t.Context(), n); err != nil || elapsed <= 0 {
						t.Errorf("%s, %d operations: got %v, %v", f.Name(), n, elapsed, err)
					}
					if err := f.Verify(t.Context(), n); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
}

func TestWazeroRefusals(t *testing.T) {
	cases := map[string]struct {
		module  []byte
		payload int
	}{
		"no module":            {[]byte("nothing"), 64},
		"another guest":        {guests.PingPong, 64},
		"a module without any": {[]byte("\x00asm\x01\x00\x00\x00"), 64},
		"no exports but one":   {[]byte(memoryOnly), 64},
	}
	for name, c := range cases {
		f, err := floor.NewWazero(t.Context(), "wazero", wazero.NewRuntimeConfig(), c.module, cells.Call, c.payload)
		if err == nil {
			t.Errorf("%s: got no error", name)
			f.Close()
		}
	}
}

// memoryOnly exports its memory and nothing else.
//
//	(module (memory (export "memory") 1))
const memoryOnly = "\x00asm\x01\x00\x00\x00" + "\x05\x03\x01\x00\x01" + "\x07\x0a\x01\x06memory\x02\x00"

// lazy exports all that a floor module must, but its relay calls nothing.
//
//	(module (memory (export "memory") 1)
//	  (func (export "exchange") (export "relay") (param i32) (result i32) local.get 0))
const lazy = "\x00asm\x01\x00\x00\x00" +
	"\x01\x06\x01\x60\x01\x7f\x01\x7f" + // types
	"\x03\x02\x01\x00" + // functions
	"\x05\x03\x01\x00\x01" + // memory
	"\x07\x1d\x03\x06memory\x02\x00\x08exchange\x00\x00\x05relay\x00\x00" + // exports
	"\x0a\x06\x01\x04\x00\x20\x00\x0b" // code

func TestSkippedCallsFail(t *testing.T) {
	for _, pattern := range []cells.Pattern{cells.FireAndForget, cells.RequestResponse} {
		f, err := floor.NewWazero(t.Context(), "wazero", wazero.NewRuntimeConfig(), []byte(lazy), pattern, 64)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Run(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		err = f.Verify(t.Context(), 10)
		var count *floor.CountError
		if !errors.As(err, &count) || fmt.Sprint(count.Got, count.Want) != "0 10" {
			t.Errorf("%s, a guest that never calls its host: got %v, want a CountError of 0 instead of 10", pattern, err)
		}
	}
}

// wayward returns the end of its memory, where there are no bytes.
//
//	(module (memory (export "memory") 1)
//	  (func (export "exchange") (export "relay") (param i32) (result i32) i32.const 65536))
var wayward = strings.Replace(lazy, "\x0a\x06\x01\x04\x00\x20\x00\x0b", "\x0a\x08\x01\x06\x00\x41\x80\x80\x04\x0b", 1)

func TestWaywardPointersFail(t *testing.T) {
	f, err := floor.NewWazero(t.Context(), "wazero", wazero.NewRuntimeConfig(), []byte(wayward), cells.Call, 64)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Run(t.Context(), 1); err == nil {
		t.Error("a pointer out of range: got no error")
	}
}

func TestSkippedNativeCallsFail(t *testing.T) {
	f := floor.NewNative(cells.RequestResponse, 64)
	if _, err := f.Run(t.Context(), 9); err != nil {
		t.Fatal(err)
	}
	var count *floor.CountError
	if err := f.Verify(t.Context(), 10); !errors.As(err, &count) || count.Got != 27 || count.Want != 30 {
		t.Errorf("9 operations for 10: got %v, want a CountError of 27 instead of 30", err)
	}
}
