//lint:file-ignore U1000 The compiler exports what go:wasmexport marks; staticcheck does not know.

package guest

import (
	"unsafe"

	"github.com/airhost/airhost/guest/internal/exports"
)

// result is the return area of all calls that have one. After
// the discriminant come pointer and length if it is ok, and otherwise the error's case,
// pointer and length.
type result struct {
	failed uint32
	fields [3]uint32
	keep   []byte // the bytes that the pointer is for
}

// returned is the only return area: the host runs one call at a time, and reads the
// area before the next.
var returned result

func (r *result) done() uint32 {
	*r = result{}
	return addressOf(unsafe.Pointer(r))
}

func (r *result) ok(response []byte) uint32 {
	*r = result{keep: response}
	r.fields[0] = addressOf(dataOf(response))
	r.fields[1] = uint32(len(response))
	return addressOf(unsafe.Pointer(r))
}

func (r *result) fail(err error) uint32 {
	e := AsComponentError(err)
	text := []byte(e.Text)
	*r = result{failed: 1, keep: text}
	r.fields = [3]uint32{uint32(e.Case), addressOf(dataOf(text)), uint32(len(text))}
	return addressOf(unsafe.Pointer(r))
}

func (r *result) outcome(err error) uint32 {
	if err != nil {
		return r.fail(err)
	}
	return r.done()
}

// component returns the exported component. If there is none it panics with the reason,
// which ends the instance.
func component() Component {
	if exported == nil {
		panic("guest: no component: call guest.Export in an init function")
	}
	return exported
}

//go:wasmexport airhost:core/component-lifecycle@0.1.0#handle-message
func handleMessage(sender, senderSize, message, messageSize uint32) uint32 {
	from, payload := takeString(sender, senderSize), take(message, messageSize)
	response, err := component().HandleMessage(services{}, from, payload)
	if err != nil {
		return returned.fail(err)
	}
	return returned.ok(response)
}

//go:wasmexport cabi_post_airhost:core/component-lifecycle@0.1.0#handle-message
func postHandleMessage(uint32) { postReturn() }

//go:wasmexport airhost:core/component-lifecycle@0.1.0#handle-callback
func handleCallback(id uint64, tag, address, size uint32) uint32 {
	payload := take(address, size)
	handler, ok := component().(CallbackHandler)
	if !ok {
		return returned.done()
	}
	if tag == 0 {
		return returned.outcome(handler.HandleCallback(services{}, RequestID(id), payload, nil))
	}
	failure := ParseRequestError(string(payload))
	return returned.outcome(handler.HandleCallback(services{}, RequestID(id), nil, failure))
}

//go:wasmexport cabi_post_airhost:core/component-lifecycle@0.1.0#handle-callback
func postHandleCallback(uint32) { postReturn() }

//go:wasmexport airhost:core/component-management@0.1.0#initialize
func initialize(list, count uint32) uint32 {
	config := takeConfig(list, count)
	if c, ok := component().(Initializer); ok {
		return returned.outcome(c.Initialize(services{}, config))
	}
	return returned.done()
}

//go:wasmexport cabi_post_airhost:core/component-management@0.1.0#initialize
func postInitialize(uint32) { postReturn() }

// configEntry is one element of initialize's list.
type configEntry struct{ key, keySize, value, valueSize uint32 }

func takeConfig(list, count uint32) Config {
	const entrySize = uint32(unsafe.Sizeof(configEntry{}))
	if count == 0 {
		return nil
	}
	data := take(list, count*entrySize)
	entries := unsafe.Slice((*configEntry)(unsafe.Pointer(&data[0])), uint32(len(data))/entrySize)
	config := make(Config, len(entries))
	for i, e := range entries {
		config[i] = ConfigPair{takeString(e.key, e.keySize), takeString(e.value, e.valueSize)}
	}
	return config
}

//go:wasmexport airhost:core/component-management@0.1.0#health
func health() uint32 {
	if c, ok := component().(HealthReporter); ok {
		return uint32(c.Health())
	}
	return uint32(Healthy)
}

//go:wasmexport airhost:core/component-management@0.1.0#shutdown
func shutdown() {
	if c, ok := component().(Shutdowner); ok {
		c.Shutdown(services{})
	}
}

func init() { exports.Save, exports.Restore, exports.PostReturn = save, restore, postReturn }

func save() uint32 {
	state, err := component().(StateKeeper).Save(services{})
	if err != nil {
		return returned.fail(err)
	}
	return returned.ok(state)
}

func restore(address, size uint32) uint32 {
	return returned.outcome(component().(StateKeeper).Restore(services{}, take(address, size)))
}

func postReturn() { returned.keep = nil }
