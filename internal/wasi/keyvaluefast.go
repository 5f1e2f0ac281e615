package wasi

import (
	"encoding/binary"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wit"
)

// quick are functions that a guest calls often, without the way over values of any type, which
// allocates.
var quick = map[string]func(f *wit.Func, name string) Func{
	"[method]bucket.get": quickGet,
	"[method]bucket.set": quickSet,
}

// begin begins a call.
func (in *Instance) begin(name string) *call {
	in.guest.Calling(name)
	c := &in.call
	*c = call{Instance: in, name: name, args: c.args[:0], texts: maxTexts, elements: maxElements}
	return c
}

// bucket returns the bucket of a handle.
func (c *call) bucket(handle uint64) core.Bucket {
	return c.handles.find("bucket", uint32(handle), c.name).value.(core.Bucket)
}

func quickGet(f *wit.Func, name string) Func {
	return func(in *Instance, stack []uint64) {
		c := in.begin(name)
		bucket, key, area := c.bucket(stack[0]), c.text(uint32(stack[1]), uint32(stack[2])), uint32(stack[3])
		must(abi.CheckArea(in.guest.Memory(), area, f.Result.Size, f.Result.Align, name))
		v, err := bucket.Get(key)
		switch {
		case err != nil:
			c.store(f.Result, area, storeError(err))
			return
		case v.Version == 0:
			copy(c.view(area, 5), "\x00\x00\x00\x00\x00") // ok, none
			return
		}
		at, into := c.allocate(1, len(v.Data))
		c.yieldFor(len(into))
		copy(into, v.Data)
		result := c.view(area, f.Result.Size)
		result[0], result[4] = 0, 1 // ok, some
		binary.LittleEndian.PutUint32(result[8:], at)
		binary.LittleEndian.PutUint32(result[12:], uint32(len(v.Data)))
	}
}

func quickSet(f *wit.Func, name string) Func {
	return func(in *Instance, stack []uint64) {
		c := in.begin(name)
		bucket, key, area := c.bucket(stack[0]), c.text(uint32(stack[1]), uint32(stack[2])), uint32(stack[5])
		value := c.view(uint32(stack[3]), uint32(stack[4]))
		must(abi.CheckArea(in.guest.Memory(), area, f.Result.Size, f.Result.Align, name))
		if err := bucket.Set(key, value); err != nil {
			c.store(f.Result, area, storeError(err))
			return
		}
		c.view(area, 1)[0] = 0
	}
}
