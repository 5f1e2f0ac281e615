package guest

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"
)

// These are the functions of wasi:keyvalue in the form of the component model's canonical ABI.

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 open
func bucketOpen(name unsafe.Pointer, size uint32, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.get
func bucketGet(bucket uint32, key unsafe.Pointer, size uint32, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.set
func bucketSet(bucket uint32, key unsafe.Pointer, size uint32, value unsafe.Pointer, valueSize uint32, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.delete
func bucketDelete(bucket uint32, key unsafe.Pointer, size uint32, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.exists
func bucketExists(bucket uint32, key unsafe.Pointer, size uint32, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/store@0.2.0-draft2 [method]bucket.list-keys
func bucketListKeys(bucket, given uint32, cursor unsafe.Pointer, size uint32, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/atomics@0.2.0-draft2 increment
func bucketIncrement(bucket uint32, key unsafe.Pointer, size uint32, delta uint64, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/atomics@0.2.0-draft2 [static]cas.new
func casNew(bucket uint32, key unsafe.Pointer, size uint32, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/atomics@0.2.0-draft2 [method]cas.current
func casCurrent(cas uint32, area unsafe.Pointer)

//go:wasmimport wasi:keyvalue/atomics@0.2.0-draft2 [resource-drop]cas
func casDrop(cas uint32)

//go:wasmimport wasi:keyvalue/atomics@0.2.0-draft2 swap
func casSwap(cas uint32, value unsafe.Pointer, size uint32, area unsafe.Pointer)

// keyValueOf returns the key-value stores of a host, if it has any. Only a component that uses
// buckets calls it, and so only its module imports them.
func keyValueOf(host Host) (KeyValueHost, bool) {
	if _, ok := host.(services); ok {
		return storedServices{}, true
	}
	stores, ok := host.(KeyValueHost)
	return stores, ok
}

// storedServices is the [KeyValueHost] of a WebAssembly module.
type storedServices struct{ services }

func (storedServices) OpenBucket(name string) (Bucket, error) {
	if !utf8.ValidString(name) {
		return nil, ErrNoSuchStore
	}
	area := new(storeArea)
	bucketOpen(textOf(name), uint32(len(name)), area.pointer())
	if err := area.failure(4); err != nil {
		return nil, err
	}
	return wasiBucket(area.word(4)), nil
}

// storeArea is the return area of the functions: a byte that is 0 for ok, and then the result or
// the error, at an offset that depends on the function. It is aligned for each of them.
type storeArea [3]uint64

func (a *storeArea) pointer() unsafe.Pointer { return unsafe.Pointer(a) }

func (a *storeArea) bytes() []byte { return unsafe.Slice((*byte)(unsafe.Pointer(a)), len(a)*8) }

func (a *storeArea) word(at int) uint32 { return binary.LittleEndian.Uint32(a.bytes()[at:]) }

// failure returns the error, which stands at an offset, or nil.
func (a *storeArea) failure(at int) error {
	if a.bytes()[0] == 0 {
		return nil
	}
	return a.storeError(at)
}

func (a *storeArea) storeError(at int) error {
	e := &KeyValueError{Case: KeyValueErrorCase(a.bytes()[at])}
	if e.Case == KeyValueOther {
		e.Text = takeString(a.word(at+4), a.word(at+8))
	}
	return e
}

// value returns the result of a function that reads a value.
func (a *storeArea) value() (value []byte, found bool, err error) {
	if err := a.failure(4); err != nil || a.bytes()[4] == 0 {
		return nil, false, err
	}
	return take(a.word(8), a.word(12)), true, nil
}

// errKey is the error for a key that is no text.
var errKey = &KeyValueError{KeyValueOther, "the key is not UTF-8"}

// wasiBucket is a handle of a bucket. It is never given back: a component has few.
type wasiBucket uint32

// with calls a function with a key, if that is a text.
func (b wasiBucket) with(key string, do func(area *storeArea, at unsafe.Pointer, size uint32)) (*storeArea, error) {
	if !utf8.ValidString(key) {
		return nil, errKey
	}
	area := new(storeArea)
	do(area, textOf(key), uint32(len(key)))
	return area, nil
}

func (b wasiBucket) Get(key string) ([]byte, bool, error) {
	area, err := b.with(key, func(a *storeArea, at unsafe.Pointer, size uint32) { bucketGet(uint32(b), at, size, a.pointer()) })
	if err != nil {
		return nil, false, err
	}
	return area.value()
}

func (b wasiBucket) Has(key string) (bool, error) {
	area, err := b.with(key, func(a *storeArea, at unsafe.Pointer, size uint32) { bucketExists(uint32(b), at, size, a.pointer()) })
	if err == nil {
		err = area.failure(4)
	}
	return err == nil && area.bytes()[4] != 0, err
}

func (b wasiBucket) Set(key string, value []byte) error {
	area, err := b.with(key, func(a *storeArea, at unsafe.Pointer, size uint32) {
		bucketSet(uint32(b), at, size, dataOf(value), uint32(len(value)), a.pointer())
	})
	if err == nil {
		err = area.failure(4)
	}
	return err
}

func (b wasiBucket) Delete(key string) error {
	area, err := b.with(key, func(a *storeArea, at unsafe.Pointer, size uint32) { bucketDelete(uint32(b), at, size, a.pointer()) })
	if err == nil {
		err = area.failure(4)
	}
	return err
}

func (b wasiBucket) Keys(cursor string) (keys []string, next string, err error) {
	given := uint32(0)
	if cursor != "" {
		given = 1
	}
	area, err := b.with(cursor, func(a *storeArea, at unsafe.Pointer, size uint32) {
		bucketListKeys(uint32(b), given, at, size, a.pointer())
	})
	if err == nil {
		err = area.failure(4)
	}
	if err != nil {
		return nil, "", err
	}
	list := take(area.word(4), 8*area.word(8))
	for ; len(list) > 0; list = list[8:] {
		keys = append(keys, takeString(binary.LittleEndian.Uint32(list), binary.LittleEndian.Uint32(list[4:])))
	}
	if area.bytes()[12] != 0 {
		next = takeString(area.word(16), area.word(20))
	}
	return keys, next, nil
}

func (b wasiBucket) Increment(key string, delta int64) (int64, error) {
	area, err := b.with(key, func(a *storeArea, at unsafe.Pointer, size uint32) {
		bucketIncrement(uint32(b), at, size, uint64(delta), a.pointer())
	})
	if err == nil {
		err = area.failure(8)
	}
	if err != nil {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint64(area.bytes()[8:])), nil
}

func (b wasiBucket) Update(key string, change func(value []byte, found bool) ([]byte, error)) error {
	area, err := b.with(key, func(a *storeArea, at unsafe.Pointer, size uint32) { casNew(uint32(b), at, size, a.pointer()) })
	if err == nil {
		err = area.failure(4)
	}
	if err != nil {
		return err
	}
	for cas := area.word(4); ; {
		casCurrent(cas, area.pointer())
		value, found, err := area.value()
		if err == nil {
			value, err = change(value, found)
		}
		if err != nil {
			casDrop(cas)
			return err
		}
		casSwap(cas, dataOf(value), uint32(len(value)), area.pointer())
		switch {
		case area.bytes()[0] == 0:
			return nil
		case area.bytes()[4] == 0:
			return area.storeError(8)
		}
		cas = area.word(8) // of the new value
	}
}
