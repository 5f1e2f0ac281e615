package enginetest

import (
	"encoding/binary"
	"errors"

	"github.com/airhost/airhost/core"
)

// ActorBucket is a bucket of an [Actor]. Its methods are those of the SDK's bucket.
type ActorBucket interface {
	Get(key string) (value []byte, found bool, err error)
	Has(key string) (bool, error)
	Set(key string, value []byte) error
	Delete(key string) error
	Keys(cursor string) (keys []string, next string, err error)
	Increment(key string, delta int64) (int64, error)
	Update(key string, change func(value []byte, found bool) ([]byte, error)) error
}

// askBucket does an operation on a key.
func (a *Actor) askBucket(operation byte, key string, value []byte) []byte {
	b, err := a.Host.OpenBucket("default")
	if err != nil {
		return refusedBy(err)
	}
	response := []byte{0}
	switch operation {
	case 'g':
		var data []byte
		var found bool
		data, found, err = b.Get(key)
		response = append(append(response, flag(found)), data...)
	case 'h':
		var has bool
		has, err = b.Has(key)
		response = append(response, flag(has))
	case 's':
		err = b.Set(key, value)
	case 'd':
		err = b.Delete(key)
	case 'l':
		var keys []string
		var next string
		keys, next, err = b.Keys(key)
		response = append(response, flag(next != ""))
		for _, key := range keys {
			response = append(append(response, byte(len(key))), key...)
		}
	case 'i':
		var sum int64
		sum, err = b.Increment(key, int64(binary.LittleEndian.Uint64(value)))
		response = append(response, number(uint64(sum))...)
	case 'u':
		err = b.Update(key, func(old []byte, _ bool) ([]byte, error) { return append(old, value...), nil })
	}
	if err != nil {
		return refusedBy(err)
	}
	return response
}

func flag(is bool) byte {
	if is {
		return 1
	}
	return 0
}

// refusedBy returns the case and the text of an error of a bucket, which may be one of the SDK.
func refusedBy(err error) []byte {
	var told interface {
		ContractError() (kind, name, text string)
	}
	if !errors.As(err, &told) {
		return []byte{1, 0xff}
	}
	_, name, text := told.ContractError()
	for _, c := range core.KeyValueErrorCases() {
		if c.String() == name {
			return append([]byte{1, byte(c)}, text...)
		}
	}
	return []byte{1, 0xfe}
}
