package guest

// DefaultBucket is the name of a component's own bucket.
const DefaultBucket = "default"

// KeyValueHost is a [Host] with key-value stores. [OpenBucket] uses it; a Host that wraps another
// one implements it to pass buckets on.
type KeyValueHost interface {
	Host

	// OpenBucket is the function OpenBucket.
	OpenBucket(name string) (Bucket, error)
}

// OpenBucket opens a bucket of keys with their values: [DefaultBucket] is the component's own, any
// other name is one that it shares with others. It needs the capability keyvalue. A bucket
// outlives the instance, and the component's versions. The rules of [Host] hold for the bucket;
// it may be kept until the instance ends. An error, also of the bucket's methods, is a
// [KeyValueError].
func OpenBucket(host Host, name string) (Bucket, error) {
	if stores, ok := keyValueOf(host); ok {
		return stores.OpenBucket(name)
	}
	return nil, ErrNoSuchStore
}

// Bucket is a set of keys with their values. A key has 1 to 1024 bytes of UTF-8. The error of a call
// that would exceed a quota is other.
type Bucket interface {
	// Get returns the value of a key, which belongs to the component. found is false if there
	// is none.
	Get(key string) (value []byte, found bool, err error)
	// Has reports whether a key has a value.
	Has(key string) (bool, error)
	// Set sets the value of a key.
	Set(key string, value []byte) error
	// Delete removes a key. It is no error if there is none.
	Delete(key string) error
	// Keys returns some keys that come after a cursor, "" at first, and the cursor for the
	// next ones, "" at the end.
	Keys(cursor string) (keys []string, next string, err error)
	// Increment adds to the number that a key has, and returns the sum. Without a value it is
	// 0. The value is the number as decimal text.
	Increment(key string, delta int64) (int64, error)
	// Update sets the value of a key to what change makes of it. If another one changes the
	// key meanwhile, change is called again with the new value. An error of change ends
	// it, and is returned as it is.
	Update(key string, change func(value []byte, found bool) ([]byte, error)) error
}

// KeyValueErrorCase is a case of the error of wasi:keyvalue.
type KeyValueErrorCase uint8

// The cases of the error.
const (
	KeyValueNoSuchStore  KeyValueErrorCase = iota // the host has no such bucket
	KeyValueAccessDenied                          // no capability for this bucket
	KeyValueOther                                 // anything else, such as a quota: the text says it
)

// String returns the case's name in wasi:keyvalue.
func (c KeyValueErrorCase) String() string {
	return nameOf(c, "no-such-store", "access-denied", "other")
}

// The sentinels of [KeyValueError], for errors.Is.
var (
	ErrNoSuchStore   = &KeyValueError{Case: KeyValueNoSuchStore}
	ErrAccessDenied  = &KeyValueError{Case: KeyValueAccessDenied}
	ErrKeyValueOther = &KeyValueError{Case: KeyValueOther}
)

// KeyValueError says why a call of a bucket has failed.
type KeyValueError struct {
	Case KeyValueErrorCase
	Text string // of other; else empty, or the bucket's name
}

// Error returns the case's name and the text.
func (e *KeyValueError) Error() string { return join(e.Case.String(), e.Text) }

// ContractError returns the error in the words of wasi:keyvalue, for errors.Is.
func (e *KeyValueError) ContractError() (kind, name, text string) {
	return "keyvalue-error", e.Case.String(), e.Text
}

// Is reports whether target is a KeyValueError, of this package or of package core, with the
// same case and, if target has a text, the same text.
func (e *KeyValueError) Is(target error) bool { return sameError(e, target) }

// Versioned is a bucket whose values have versions. Implementations of [KeyValueHost] make a
// [Bucket] of it by [NewBucket].
type Versioned interface {
	// Get returns the value of a key, which belongs to the caller, with its version: 0 is
	// without a value.
	Get(key string) (value []byte, version uint64, err error)
	// Swap sets the value of a key that has this version.
	Swap(key string, version uint64, value []byte) (swapped bool, err error)
	// Keys returns the next keys, and whether there are more.
	Keys(after string) (keys []string, more bool, err error)

	Has(key string) (bool, error)
	Set(key string, value []byte) error
	Delete(key string) error
	Increment(key string, delta int64) (int64, error)
}

// NewBucket makes a Bucket of one whose values have versions.
func NewBucket(v Versioned) Bucket { return versioned{v} }

type versioned struct{ Versioned }

// Get implements [Bucket].
func (b versioned) Get(key string) (value []byte, found bool, err error) {
	value, version, err := b.Versioned.Get(key)
	return value, version != 0, err
}

// Keys implements [Bucket].
func (b versioned) Keys(cursor string) (keys []string, next string, err error) {
	keys, more, err := b.Versioned.Keys(cursor)
	if more && len(keys) > 0 {
		next = keys[len(keys)-1]
	}
	return keys, next, err
}

// Update implements [Bucket].
func (b versioned) Update(key string, change func(value []byte, found bool) ([]byte, error)) error {
	for {
		value, version, err := b.Versioned.Get(key)
		if err != nil {
			return err
		}
		if value, err = change(value, version != 0); err != nil {
			return err
		}
		if swapped, err := b.Swap(key, version, value); swapped || err != nil {
			return err
		}
	}
}
