package core

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// KeyValue are the host's services of wasi:keyvalue. The rules of [Services] hold for them
// and for their buckets: calls come while a call of the instance is in progress, on its
// goroutine.
type KeyValue interface {
	// OpenBucket is open of wasi:keyvalue/store. An error is a [KeyValueError]. The bucket
	// serves the instance until its end. Each of its calls may be denied, since a capability
	// may have gone meanwhile.
	//
	// An engine that keeps a ledger brings it up to date before. While OpenBucket, or a call
	// of a bucket, blocks the guest's running time does not pass.
	OpenBucket(name string) (Bucket, error)
}

// Bucket is a set of keys with their values. An error of each call is a [KeyValueError], and
// nothing has changed then, unless its text says that it is unknown.
type Bucket interface {
	// Get returns the value of a key, or the zero Value if there is none. The caller must
	// not change the Data.
	Get(key string) (Value, error)
	// Has reports whether there is a value.
	Has(key string) (bool, error)
	// Set sets the value of a key. The bucket keeps a copy of data.
	Set(key string, data []byte) error
	// Delete removes a key. It is no error if there is none.
	Delete(key string) error
	// Keys returns the next keys, in their order, that come after another one: "" for the
	// first ones. more says that there are others behind them.
	Keys(after string) (keys []string, more bool, err error)
	// Increment adds to the number that a key has, and returns the sum. A number is kept as
	// decimal text; without a value it is 0.
	Increment(key string, delta int64) (int64, error)
	// Swap sets the value of a key if its version is still this one: 0 is without a value.
	Swap(key string, version uint64, data []byte) (swapped bool, err error)
}

// Value is the value of a key.
type Value struct {
	Data []byte
	// Version is another one after each change of the key. It is 0 if there is no value.
	Version uint64
}

// MaxKey is the longest key in bytes.
const MaxKey = 1024

// CheckKey returns an error for a key that no bucket has.
func CheckKey(key string) error {
	switch {
	case key == "":
		return errNoKey
	case len(key) > MaxKey:
		return keyValueError("the key has %d bytes, at most %d are possible", len(key), MaxKey)
	}
	if !utf8.ValidString(key) {
		return errKeyText
	}
	return nil
}

var (
	errNoKey   = keyValueError("the key is empty")
	errKeyText = keyValueError("the key is not UTF-8")
)

func keyValueError(format string, args ...any) *KeyValueError {
	return &KeyValueError{Case: KeyValueOther, Text: fmt.Sprintf(format, args...)}
}

// KeyValueOf returns the key-value services of an environment. If the host has none, every
// bucket is one of no store.
func KeyValueOf(env *Environment) KeyValue {
	if env.KeyValue == nil {
		return noKeyValue{}
	}
	return env.KeyValue
}

type noKeyValue struct{}

func (noKeyValue) OpenBucket(string) (Bucket, error) { return nil, ErrNoSuchStore }

// KeyValueErrorCase is a case of wasi:keyvalue's error, with the same number.
type KeyValueErrorCase uint8

// The cases of the error.
const (
	KeyValueNoSuchStore  KeyValueErrorCase = iota // the host has no such bucket
	KeyValueAccessDenied                          // no capability for this bucket
	KeyValueOther                                 // anything else, such as a quota: the text says it
	numKeyValueErrorCases
)

var keyValueErrorNames = [numKeyValueErrorCases]string{"no-such-store", "access-denied", "other"}

// KeyValueErrorCases returns all cases, in their order.
func KeyValueErrorCases() []KeyValueErrorCase {
	return []KeyValueErrorCase{KeyValueNoSuchStore, KeyValueAccessDenied, KeyValueOther}
}

// Valid reports whether c is a case of the error.
func (c KeyValueErrorCase) Valid() bool { return c < numKeyValueErrorCases }

// String returns the case's name in wasi:keyvalue.
func (c KeyValueErrorCase) String() string {
	if !c.Valid() {
		return fmt.Sprintf("keyvalue-error(%d)", uint8(c))
	}
	return keyValueErrorNames[c]
}

// The sentinels of [KeyValueError], for errors.Is.
var (
	ErrNoSuchStore   = &KeyValueError{Case: KeyValueNoSuchStore}
	ErrAccessDenied  = &KeyValueError{Case: KeyValueAccessDenied}
	ErrKeyValueOther = &KeyValueError{Case: KeyValueOther}
)

// KeyValueError is the error of wasi:keyvalue/store.
type KeyValueError struct {
	Case KeyValueErrorCase
	Text string // at most [MaxErrorText] bytes of UTF-8; a guest of WebAssembly gets that of other alone
}

// Error returns the case's name and the text.
func (e *KeyValueError) Error() string { return join(e.Case.String(), e.Text) }

// ContractError returns the error in the words of wasi:keyvalue, for errors.Is.
func (e *KeyValueError) ContractError() (kind, name, text string) {
	return "keyvalue-error", e.Case.String(), e.Text
}

// Is reports whether target is a KeyValueError, of this package or of package guest, with
// the same case and, if target has a text, the same text.
func (e *KeyValueError) Is(target error) bool { return sameError(e, target) }

// AsKeyValueError returns the error that a guest gets for err, which is not nil: the
// KeyValueError that err is or wraps, or otherwise other with err's text.
func AsKeyValueError(err error) *KeyValueError {
	var e *KeyValueError
	if errors.As(err, &e) {
		return e
	}
	return &KeyValueError{Case: KeyValueOther, Text: CutText(err.Error(), MaxErrorText)}
}

// CheckBucket checks the name of a bucket that components share: 1 to [MaxIDPart] bytes of
// lower-case ASCII letters, digits, '-', '_' and '.'. So it is no name of a component's own
// bucket, which is the component's id. An error wraps [ErrOutOfRange].
func CheckBucket(name string) error {
	if len(name) == 0 || len(name) > MaxIDPart {
		return fmt.Errorf("the name of a bucket has %d bytes, %w: want 1 to %d", len(name), ErrOutOfRange, MaxIDPart)
	}
	for i := range len(name) {
		if !isIDByte(name[i]) {
			return fmt.Errorf("the name %q of a bucket contains %q, %w: want a-z, 0-9, '-', '_' or '.'", clip(name), name[i:i+1], ErrOutOfRange)
		}
	}
	return nil
}
