//lint:file-ignore U1000 The compiler exports what go:wasmexport marks; staticcheck does not know.

package guest

import "unsafe"

// lent holds, by address, the buffers that the host has allocated and that no call has
// taken yet. The garbage collector must not free them, although only the host has
// their addresses. Buffers are made of uint64 for their alignment.
var lent = map[uint32][]uint64{}

// nowhere has the address of all empty buffers. The contract wants an address that is
// aligned and not zero.
var nowhere uint64

// maxAlign is the largest alignment of the contract's types.
const maxAlign = 8

// The host calls realloc between calls, for arguments, and within host services, for
// results. It may grow memory and collect garbage; neither moves a Go object.
//
//go:wasmexport cabi_realloc
func realloc(old, oldSize, align, size uint32) uint32 {
	if align > maxAlign {
		panic("guest: cabi_realloc: alignment above 8")
	}
	if size == 0 {
		delete(lent, old)
		return addressOf(unsafe.Pointer(&nowhere))
	}
	buffer := make([]uint64, (uint64(size)+7)/8)
	if oldSize > 0 {
		copy(bytesOf(buffer), take(old, oldSize))
	}
	address := addressOf(unsafe.Pointer(&buffer[0]))
	lent[address] = buffer
	return address
}

// take removes a buffer from lent and returns its bytes. From then on the slice keeps
// the buffer alive. The address is looked up in lent, so no integer becomes a pointer.
func take(address, size uint32) []byte {
	if size == 0 {
		delete(lent, address)
		return nil
	}
	buffer, ok := lent[address]
	if !ok || uint64(size) > uint64(len(buffer))*8 {
		panic("guest: the host passed memory that cabi_realloc did not give it")
	}
	delete(lent, address)
	return bytesOf(buffer)[:size]
}

func takeString(address, size uint32) string {
	b := take(address, size)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

func bytesOf(buffer []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&buffer[0])), len(buffer)*8)
}

// addressOf returns a pointer's address for the host, in 32 bits.
func addressOf(p unsafe.Pointer) uint32 { return uint32(uintptr(p)) }

// dataOf returns the address of b's bytes as an argument of a host service. It is a
// pointer, so that b stays alive during the call.
func dataOf(b []byte) unsafe.Pointer {
	if len(b) == 0 {
		return unsafe.Pointer(&nowhere)
	}
	return unsafe.Pointer(unsafe.SliceData(b))
}
