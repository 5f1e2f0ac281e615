package wasi

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/wit"
)

// filling is a list of bytes that is made in the guest's memory.
type filling struct {
	size uint64
	fill func(b []byte)
}

// Values of results and options.

func ok(v any) variant { return variant{0, v} }

func failed(v any) variant { return variant{1, v} }

func some(v any) variant { return variant{1, v} }

var none = variant{}

// lower returns the one core value of a result.
func (c *call) lower(t *wit.Type, v any) uint64 {
	switch v := v.(type) {
	case bool:
		if v {
			return 1
		}
		return 0
	case variant:
		return uint64(v.number)
	case uint64:
		return v
	}
	return uint64(c.handles.add(t.Resource, v))
}

// store writes a value into the memory. It writes its lists, for which the guest allocates,
// before itself.
func (c *call) store(t *wit.Type, at uint32, v any) {
	switch t.Kind {
	case wit.String, wit.List:
		c.storeList(t, at, v)
	case wit.Tuple:
		offset := uint32(0)
		for i, f := range t.Of {
			offset = wit.AlignTo(offset, f.Align)
			c.store(f, at+offset, v.([]any)[i])
			offset += f.Size
		}
	case wit.Variant:
		v := v.(variant)
		c.put(at, t.Discriminant(), uint64(v.number))
		if of := t.Of[v.number]; of != nil {
			c.store(of, at+t.Payload(), v.value)
		}
	default:
		c.put(at, t.Size, c.lower(t, v))
	}
}

// put writes a number of up to 8 bytes. The memory may have moved since the last one.
func (c *call) put(at, size uint32, v uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	copy(c.view(at, size), b[:])
}

func (c *call) storeList(t *wit.Type, at uint32, v any) {
	var ptr, n uint32
	switch v := v.(type) {
	case string:
		v = strings.ToValidUTF8(v, "\ufffd")
		ptr, n = c.storeBytes(uint64(len(v)), func(b []byte) { copy(b, v) })
	case []byte:
		ptr, n = c.storeBytes(uint64(len(v)), func(b []byte) { copy(b, v) })
	case filling:
		ptr, n = c.storeBytes(v.size, v.fill)
	case []any:
		ptr, n = c.storeElements(t.Of[0], v), uint32(len(v))
	default:
		panic(fmt.Sprintf("wasi: %s returns a %T as a list", c.name, v))
	}
	c.put(at, 4, uint64(ptr))
	c.put(at+4, 4, uint64(n))
}

func (c *call) storeBytes(size uint64, fill func(b []byte)) (ptr, n uint32) {
	if most := uint64(len(c.guest.Memory())); size > most && size >= 1<<31 {
		violated("%s has a result of %d bytes, which no guest's memory holds", c.name, size)
	}
	ptr, b := c.allocate(1, int(size))
	c.yieldFor(len(b))
	fill(b)
	return ptr, uint32(size)
}

func (c *call) storeElements(of *wit.Type, elements []any) uint32 {
	ptr, _ := c.allocate(of.Align, len(elements)*int(of.Size))
	for i, e := range elements {
		c.store(of, ptr+uint32(i)*of.Size, e)
	}
	return ptr
}

// allocate returns a place in the guest's memory. As the canonical ABI does, it asks the guest also
// for one of 0 bytes, since there are guests that free it.
func (c *call) allocate(align uint32, size int) (ptr uint32, to []byte) {
	var err error
	if size == 0 {
		ptr, err = c.guest.Realloc(align, 0)
	} else {
		ptr, to, err = abi.Allocate(c.guest, align, size)
	}
	must(err)
	return ptr, to
}
