package core_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
)

var movings = []core.Moving{
	{},
	{HasState: true, State: []byte{}},
	{LastTimer: 7},
	{HasState: true, State: []byte("state"), LastTimer: 1 << 62, Timers: []core.MovedTimer{
		{Payload: []byte("due")}, {Payload: []byte{}}, {ID: 1, Left: time.Nanosecond, Payload: []byte("a")}, {ID: 1 << 62, Left: core.MaxTimeout, Payload: bytes.Repeat([]byte{7}, 1000)},
	}},
}

// TestMovingForm: what a component takes along is the same on the other host.
func TestMovingForm(t *testing.T) {
	for _, m := range movings {
		data, err := m.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(data)
		got := core.Moving{LastTimer: 99}
		if err := got.UnmarshalBinary(data); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v, %v, want %+v", got, err, m)
		}
		clear(data)
		if !reflect.DeepEqual(got, m) {
			t.Error("it keeps the data")
		}
		for n := range before {
			cut := core.Moving{LastTimer: 99}
			if err := cut.UnmarshalBinary(before[:n]); !errors.Is(err, core.ErrMoving) || cut.LastTimer != 99 {
				t.Fatalf("%d of %d bytes: %v, %+v", n, len(before), err, cut)
			}
		}
	}
	data, err := (&core.Moving{HasState: true, State: []byte("s"), LastTimer: 300, Timers: []core.MovedTimer{{ID: 2, Left: 3, Payload: []byte("p")}}}).MarshalBinary()
	if want := "\x01\x01\x01s\xac\x02\x01\x02\x03\x01p"; string(data) != want || err != nil {
		t.Errorf("the form is %q, %v, want %q", data, err, want)
	}
}

// TestMovingIsRefused: what no component can take along is refused, with the reason.
func TestMovingIsRefused(t *testing.T) {
	for says, data := range map[string]string{
		"it has 1 bytes":                        "\x01",
		"version 2, this program reads":         "\x02what a later version has",
		"version 0, this program reads":         "\x00\x00\x00\x00",
		"flags 0x2":                             "\x01\x02\x00\x00",
		"it breaks off":                         "\x01\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
		"1 bytes are too many":                  "\x01\x00\x00\x00\x00",
		"timer 0 has the id 2, above the last":  "\x01\x00\x01\x01\x02\x00\x00",
		"two timers have the id 1":              "\x01\x00\x01\x02\x01\x00\x00\x01\x00\x00",
		"timer 0 has 24h0m4.697571329s left":    "\x01\x00\x01\x01\x01\x81\x80\xb9\xca\xda\xd2\x13\x00",
		"timer 0 has -1ns left":                 "\x01\x00\x01\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00",
		"the last timer is 4611686018427387905": "\x01\x00\x81\x80\x80\x80\x80\x80\x80\x80\x40\x00",
	} {
		if err := new(core.Moving).UnmarshalBinary([]byte(data)); !errors.Is(err, core.ErrMoving) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q", data, err, says)
		}
	}
	for says, m := range map[string]core.Moving{
		"a state of 1 bytes, but HasState is false": {State: []byte("s")},
		"above the last one":                        {Timers: []core.MovedTimer{{ID: 1}}},
	} {
		if _, err := m.MarshalBinary(); !errors.Is(err, core.ErrMoving) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
}

// FuzzMoving: nothing that a host sends makes another one panic, and what is read is what was written.
func FuzzMoving(f *testing.F) {
	for _, m := range movings {
		data, err := m.MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m, again core.Moving
		if m.UnmarshalBinary(data) != nil {
			return
		}
		written, err := m.MarshalBinary()
		if err != nil || again.UnmarshalBinary(written) != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("%+v is %+v, %v", m, again, err)
		}
	})
}
