package plugin

import (
	"unicode/utf8"

	"github.com/airhost/airhost/guest"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// OpenBucket implements [guest.KeyValueHost].
func (h host) OpenBucket(name string) (guest.Bucket, error) {
	b := bucket{h, name}
	if !h.keyValue || !utf8.ValidString(name) {
		return nil, guest.ErrNoSuchStore
	}
	if _, err := b.ask(&pluginv1.KeyValue{Operation: pluginv1.KeyValue_OPERATION_OPEN}); err != nil {
		return nil, err
	}
	return guest.NewBucket(b), nil
}

// bucket is a bucket of the host.
type bucket struct {
	host host
	name string
}

// ask asks the host, within a call. An error is a [guest.KeyValueError].
func (b bucket) ask(m *pluginv1.KeyValue) (*pluginv1.KeyValueAnswer, error) {
	if !utf8.ValidString(m.Key) {
		return nil, &guest.KeyValueError{Case: guest.KeyValueOther, Text: "the key is not UTF-8"}
	}
	m.Bucket, m.Value = b.name, b.host.bounded(m.Value)
	answer, err := b.host.askWithin(&pluginv1.Event{Event: &pluginv1.Event_KeyValue{KeyValue: m}})
	if err != nil { // there is no answer
		return nil, &guest.KeyValueError{Case: guest.KeyValueOther, Text: err.(*guest.MessagingError).Text}
	}
	if e := answer.GetKeyValue().GetError(); e != nil {
		return nil, &guest.KeyValueError{Case: guest.KeyValueErrorCase(e.Case), Text: e.Text}
	}
	return answer.GetKeyValue(), nil
}

// of asks about a key alone.
func (b bucket) of(key string, operation pluginv1.KeyValue_Operation) (*pluginv1.KeyValueAnswer, error) {
	return b.ask(&pluginv1.KeyValue{Operation: operation, Key: key})
}

// Get implements [guest.Versioned].
func (b bucket) Get(key string) (value []byte, version uint64, err error) {
	answer, err := b.of(key, pluginv1.KeyValue_OPERATION_GET)
	return answer.GetValue(), answer.GetVersion(), err
}

// Has implements [guest.Versioned].
func (b bucket) Has(key string) (bool, error) {
	answer, err := b.of(key, pluginv1.KeyValue_OPERATION_HAS)
	return answer.GetYes(), err
}

// Set implements [guest.Versioned].
func (b bucket) Set(key string, value []byte) error {
	_, err := b.ask(&pluginv1.KeyValue{Operation: pluginv1.KeyValue_OPERATION_SET, Key: key, Value: value})
	return err
}

// Delete implements [guest.Versioned].
func (b bucket) Delete(key string) error {
	_, err := b.of(key, pluginv1.KeyValue_OPERATION_DELETE)
	return err
}

// Keys implements [guest.Versioned].
func (b bucket) Keys(after string) (keys []string, more bool, err error) {
	answer, err := b.of(after, pluginv1.KeyValue_OPERATION_KEYS)
	return answer.GetKeys(), answer.GetYes(), err
}

// Increment implements [guest.Versioned].
func (b bucket) Increment(key string, delta int64) (int64, error) {
	answer, err := b.ask(&pluginv1.KeyValue{Operation: pluginv1.KeyValue_OPERATION_INCREMENT, Key: key, Delta: delta})
	return answer.GetSum(), err
}

// Swap implements [guest.Versioned].
func (b bucket) Swap(key string, version uint64, value []byte) (bool, error) {
	answer, err := b.ask(&pluginv1.KeyValue{Operation: pluginv1.KeyValue_OPERATION_SWAP, Key: key, Version: version, Value: value})
	return answer.GetYes(), err
}
