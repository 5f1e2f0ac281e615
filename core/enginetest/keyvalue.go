package enginetest

import (
	"fmt"

	"github.com/airhost/airhost/core"
)

var keyValuePromises = []promise{
	{"keyvalue", "each call of a bucket reaches it with its arguments, and returns the result", testKeyValue},
	{"keyvalue-large", "a large value reaches the bucket and the guest, also when its memory must grow for it", testKeyValueLarge},
	{"keyvalue-swap", "a change of a value is tried again, with the new value, until the bucket takes it", testKeyValueSwap},
	{"keyvalue-errors", "the guest is told each case of the error, and the text of other", testKeyValueErrors},
	{"keyvalue-panic", "a panic of a bucket ends the instance with a TrapError that holds the stack", testKeyValuePanic},
	{"no-keyvalue", "if the host has no key-value, there is no such store", testNoKeyValue},
}

// Bucket is the bucket of [Services]. It returns the values that a test sets.
type Bucket struct {
	Value core.Value // of Get
	Found []string   // of Keys
	More  bool       // of Keys
	Sum   int64      // of Increment
	Lost  int        // how many calls of Swap do not swap
	Err   error      // of all calls

	of *Services
}

var _ core.Bucket = (*Bucket)(nil)

// OpenBucket implements [core.KeyValue].
func (s *Services) OpenBucket(name string) (core.Bucket, error) {
	s.record("open %s", name)
	if s.Bucket == nil {
		return nil, core.ErrNoSuchStore
	}
	s.Bucket.of = s
	return s.Bucket, nil
}

// Get implements [core.Bucket].
func (b *Bucket) Get(key string) (core.Value, error) {
	b.of.record("get %s", key)
	return b.Value, b.Err
}

// Has implements [core.Bucket].
func (b *Bucket) Has(key string) (bool, error) {
	b.of.record("has %s", key)
	return b.Value.Version != 0, b.Err
}

// Set implements [core.Bucket].
func (b *Bucket) Set(key string, data []byte) error {
	b.of.record("set %s %q", key, data)
	return b.Err
}

// Delete implements [core.Bucket].
func (b *Bucket) Delete(key string) error {
	b.of.record("delete %s", key)
	return b.Err
}

// Keys implements [core.Bucket].
func (b *Bucket) Keys(after string) ([]string, bool, error) {
	b.of.record("keys after %s", after)
	return b.Found, b.More, b.Err
}

// Increment implements [core.Bucket].
func (b *Bucket) Increment(key string, delta int64) (int64, error) {
	b.of.record("increment %s %d", key, delta)
	return b.Sum, b.Err
}

// Swap implements [core.Bucket].
func (b *Bucket) Swap(key string, version uint64, data []byte) (bool, error) {
	b.of.record("swap %s %d %q", key, version, data)
	if b.Lost > 0 {
		b.Lost--
		b.Value.Version++
		return false, b.Err
	}
	return true, b.Err
}

// become makes the bucket another one, also for those who have opened it: an engine may open a bucket once
// for several calls.
func (b *Bucket) become(other Bucket) {
	other.of = b.of
	*b = other
}

// used returns the calls of the bucket since the last time.
func (s *Services) used() (calls []string) {
	for _, asked := range s.Asked {
		if asked != "open default" {
			calls = append(calls, asked)
		}
	}
	s.Asked = nil
	return calls
}

// keyed is the command for an operation on a key.
func keyed(operation byte, key string) []byte {
	return bytesOf("v", operation, byte(len(key)), key)
}

// withBuckets compiles the actor that has key-value.
func (t *trial) withBuckets() core.Component {
	t.Helper()
	source := t.Buckets
	if source.Code == nil {
		source = t.Actor
	}
	return t.component("actor with key-value", source, core.Limits{})
}

// buckets makes an instance of it, and its services.
func (t *trial) buckets(limits core.Limits) (core.Instance, *Services) {
	t.Helper()
	return t.instance(t.withBuckets(), limits)
}

func testKeyValue(t *trial) {
	in, host := t.buckets(core.Limits{})
	host.Bucket = &Bucket{Value: core.Value{Data: []byte("a value"), Version: 7}, Found: []string{"one", "ä"}, More: true, Sum: -3}
	const key = "ä key"
	for _, c := range []struct {
		operation   byte
		value, want []byte
		asked       string
	}{
		{'g', nil, bytesOf(byte(0), byte(1), "a value"), "get " + key},
		{'h', nil, []byte{0, 1}, "has " + key},
		{'s', []byte("\x00 value"), []byte{0}, "set " + key + ` "\x00 value"`},
		{'s', nil, []byte{0}, "set " + key + ` ""`},
		{'d', nil, []byte{0}, "delete " + key},
		{'l', nil, bytesOf(byte(0), byte(1), byte(3), "one", byte(2), "ä"), "keys after " + key},
		{'i', number(^uint64(4)), bytesOf(byte(0), ^uint64(2)), "increment " + key + " -5"},
	} {
		want(t, "answer to "+string(c.operation), t.ask(in, keyed(c.operation, key), c.value), c.want)
		want(t, "calls", host.used(), []string{c.asked})
	}
	host.Bucket.become(Bucket{})
	want(t, "answer without a value", t.ask(in, keyed('g', key)), []byte{0, 0})
	want(t, "answer without a value", t.ask(in, keyed('h', key)), []byte{0, 0})
	want(t, "answer without keys", t.ask(in, keyed('l', "")), []byte{0, 0})
}

func testKeyValueLarge(t *trial) {
	in, host := t.buckets(core.Limits{MessageSize: 8 << 20})
	host.Bucket = &Bucket{}
	for _, size := range []int{100_000, 3 << 20} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i % 251)
		}
		host.Bucket.become(Bucket{Value: core.Value{Data: data, Version: 1}})
		want(t, "answer", t.ask(in, keyed('g', "k")), bytesOf(byte(0), byte(1), data))
		host.used()
		t.ask(in, keyed('s', "k"), data[:100_000])
		want(t, "calls", host.used(), []string{fmt.Sprintf("set k %q", data[:100_000])})
	}
}

func testKeyValueSwap(t *trial) {
	in, host := t.buckets(core.Limits{})
	host.Bucket = &Bucket{Value: core.Value{Data: []byte("old"), Version: 7}, Lost: 2}
	want(t, "answer", t.ask(in, keyed('u', "k"), "er"), []byte{0})
	var swaps []string
	for _, asked := range host.used() {
		if asked != "get k" {
			swaps = append(swaps, asked)
		}
	}
	want(t, "swaps", swaps, []string{`swap k 7 "older"`, `swap k 8 "older"`, `swap k 9 "older"`})
}

// refusalIn returns the beginning of an answer, and the text behind the case.
func refusalIn(answer []byte) (head []byte, text string) {
	if len(answer) < 2 {
		return answer, ""
	}
	return answer[:2], string(answer[2:])
}

func testKeyValueErrors(t *trial) {
	without, _ := t.buckets(core.Limits{})
	head, _ := refusalIn(t.ask(without, keyed('g', "k")))
	want(t, "answer without a bucket", head, []byte{1, byte(core.KeyValueNoSuchStore)})
	in, host := t.buckets(core.Limits{})
	host.Bucket = &Bucket{}
	for _, c := range core.KeyValueErrorCases() {
		refusal := &core.KeyValueError{Case: c, Text: "why ☃"}
		for _, err := range []error{refusal, fmt.Errorf("call: %w", refusal)} {
			host.Bucket.become(Bucket{Err: err})
			for _, operation := range []byte("ghsdliu") {
				head, text := refusalIn(t.ask(in, keyed(operation, "k"), number(1)))
				if want(t, "case of "+string(operation), head, []byte{1, byte(c)}); c == core.KeyValueOther {
					want(t, "text of "+string(operation), text, "why ☃")
				}
			}
		}
	}
}

func testKeyValuePanic(t *trial) {
	in, host := t.buckets(core.Limits{})
	host.Bucket = &Bucket{}
	host.Calling = func(entry string) {
		if entry == "get k" {
			panic("the bucket is broken")
		}
	}
	_, err := try(in, keyed('g', "k"))
	if trap := t.wantTrap("a bucket that panics", err, core.TrapFault); trap != nil && trap.Details == "" {
		t.broken("got no details\nwant the stack of the panic")
	}
	host.Asked = nil
	t.refuses(in, host)
}

func testNoKeyValue(t *trial) {
	host := &Services{Bucket: &Bucket{}}
	in := t.bare(host, t.withBuckets())
	head, _ := refusalIn(t.ask(in, keyed('g', "k")))
	want(t, "case of open", head, []byte{1, byte(core.KeyValueNoSuchStore)})
	t.asked("services", host)
}
