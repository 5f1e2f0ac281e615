package abi

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/airhost/airhost/core"
)

// Guest is a running instance, as the Lower functions need it.
type Guest interface {
	// Memory returns the guest's whole memory. The view is valid until guest code
	// runs.
	Memory() []byte
	// Realloc calls cabi_realloc(0, 0, align, size) and returns the pointer unchecked.
	// It returns an error if the guest's code failed.
	Realloc(align, size uint32) (uint32, error)
}

// LowerString writes a string into the guest's memory and returns its address and
// size there. It replaces invalid UTF-8 by U+FFFD.
func LowerString(g Guest, s string) (ptr, size uint32, err error) {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	ptr, err = lower(g, s)
	return ptr, uint32(len(s)), err
}

// LowerState writes the argument of restore into the guest's memory and returns its
// address there.
func LowerState(g Guest, state []byte) (ptr uint32, err error) { return lower(g, state) }

func lower[T string | []byte](g Guest, b T) (ptr uint32, err error) {
	ptr, to, err := Allocate(g, 1, len(b))
	copy(to, b)
	return ptr, err
}

// Allocate allocates size bytes in the guest. It returns their address, and themselves as
// a view of the memory. For size 0 the address is aligned and not 0.
func Allocate(g Guest, align uint32, size int) (ptr uint32, to []byte, err error) {
	if ptr, err = alloc(g, align, size); err != nil {
		return 0, nil, err
	}
	to, err = allocated(g.Memory(), ptr, align, size)
	return ptr, to, err
}

// Layout of an element of initialize's list.
const (
	pairSize  = 16
	pairAlign = 4
)

// LowerPairs writes the argument of initialize into the guest's memory.
func LowerPairs(g Guest, pairs []core.ConfigPair) (uint32, error) {
	list, err := alloc(g, pairAlign, len(pairs)*pairSize)
	if err != nil {
		return 0, err
	}
	for i, pair := range pairs {
		if err := lowerPair(g, list, i, len(pairs), pair); err != nil {
			return 0, err
		}
	}
	return list, nil
}

func lowerPair(g Guest, list uint32, i, n int, pair core.ConfigPair) error {
	key, keySize, err := LowerString(g, pair.Key)
	if err != nil {
		return err
	}
	value, valueSize, err := LowerString(g, pair.Value)
	if err != nil {
		return err
	}
	all, err := allocated(g.Memory(), list, pairAlign, n*pairSize)
	if err != nil {
		return err
	}
	at := all[i*pairSize:]
	putU32(at, 0, key)
	putU32(at, 4, keySize)
	putU32(at, 8, value)
	putU32(at, 12, valueSize)
	return nil
}

// CheckArea checks an area for a result of this size, of the function that of names.
func CheckArea(mem []byte, area, size, align uint32, of string) error {
	_, err := place(mem, area, size, align, of)
	return err
}

// CheckResultArea checks the result area of a call of send-message, cancel-request or
// call, named by of. An engine calls it before it performs the guest's
// call.
func CheckResultArea(mem []byte, area uint32, of string) error {
	return CheckArea(mem, area, resultSize, resultAlign, of)
}

// LowerResult writes the result of send-message or cancel-request, named by of, into
// the result area: success if err is nil, or err as a messaging-error.
func LowerResult(g Guest, area uint32, err error, of string) error {
	if err != nil {
		return lowerError(g, area, resultSize, resultAlign, caseAt, err, of)
	}
	a, violated := place(g.Memory(), area, resultSize, resultAlign, of)
	if violated != nil {
		return violated
	}
	a[0] = 0
	return nil
}

// FillResult writes success into an area that CheckResultArea has accepted for this
// mem.
func FillResult(mem []byte, area uint32) { mem[area] = 0 }

// CheckIDArea is [CheckResultArea] for send-request and after.
func CheckIDArea(mem []byte, area uint32, of string) error {
	return CheckArea(mem, area, idSize, idAlign, of)
}

// LowerID writes the result of send-request or after, named by of, into the result area:
// id or err.
func LowerID(g Guest, area uint32, id uint64, err error, of string) error {
	if err != nil {
		return lowerError(g, area, idSize, idAlign, idCaseAt, err, of)
	}
	a, violated := place(g.Memory(), area, idSize, idAlign, of)
	if violated != nil {
		return violated
	}
	a[0] = 0
	binary.LittleEndian.PutUint64(a[8:], id)
	return nil
}

// FillID writes id into an area that CheckIDArea has accepted for this mem.
func FillID(mem []byte, area uint32, id uint64) {
	a := mem[area : area+idSize]
	a[0] = 0
	binary.LittleEndian.PutUint64(a[8:], id)
}

// LowerSelfID writes the result of self-id into the result area.
func LowerSelfID(g Guest, area uint32, id core.ComponentID) error {
	if _, err := place(g.Memory(), area, stringSize, stringAlign, SelfID); err != nil {
		return err
	}
	ptr, size, err := LowerString(g, id.String())
	if err != nil {
		return err
	}
	a, err := place(g.Memory(), area, stringSize, stringAlign, SelfID)
	if err != nil {
		return err
	}
	putU32(a, 0, ptr)
	putU32(a, 4, size)
	return nil
}

// LowerCall writes the result of call into the result area: result or err.
func LowerCall(g Guest, area uint32, result []byte, err error) error {
	if err != nil {
		failure := core.AsCallError(err)
		return lowerRefusal(g, refusal{byte(failure.Case), failure.Text, true}, area, resultSize, resultAlign, caseAt, CallName)
	}
	ptr, err := lower(g, result)
	if err != nil {
		return err
	}
	a, err := place(g.Memory(), area, resultSize, resultAlign, CallName)
	if err != nil {
		return err
	}
	a[0] = 0
	putU32(a, 4, ptr)
	putU32(a, 8, uint32(len(result)))
	return nil
}

// refusal is an error of a host service: its case, and its text unless the case has none.
type refusal struct {
	which   byte
	text    string
	hasText bool
}

func lowerError(g Guest, area, size, align uint32, at int, cause error, of string) error {
	failure := core.AsMessagingError(cause)
	return lowerRefusal(g, refusal{byte(failure.Case), failure.Text, failure.Case.HasText()}, area, size, align, at, of)
}

func lowerRefusal(g Guest, r refusal, area, size, align uint32, at int, of string) error {
	var ptr, length uint32
	if r.hasText {
		var err error
		if ptr, length, err = LowerString(g, r.text); err != nil {
			return err
		}
	}
	a, err := place(g.Memory(), area, size, align, of)
	if err != nil {
		return err
	}
	a[0] = 1
	a[at] = r.which
	putU32(a, at+4, ptr)
	putU32(a, at+8, length)
	return nil
}

// alloc allocates size bytes in the guest. For size 0 it does not call the guest and
// returns an aligned pointer other than 0.
func alloc(g Guest, align uint32, size int) (uint32, error) {
	switch {
	case uint64(size) > math.MaxUint32:
		return 0, violation("%d bytes do not fit into a guest's memory", size)
	case size == 0:
		return align, nil
	}
	return g.Realloc(align, uint32(size))
}

// allocated checks a pointer that alloc returned and returns the block as a view.
func allocated(mem []byte, ptr, align uint32, size int) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	b, ok := view(mem, ptr, uint32(size))
	switch {
	case ptr == 0:
		return nil, violation("cabi_realloc returned 0 for %d bytes", size)
	case !ok:
		return nil, outOfRange(mem, ptr, uint32(size), "what cabi_realloc returned")
	case ptr&(align-1) != 0:
		return nil, violation("cabi_realloc returned %#x, which is not aligned to %d bytes", ptr, align)
	}
	return b, nil
}

// CheckAllocated returns an error if ptr is not a valid result of cabi_realloc for
// size bytes. It does not check the alignment.
func CheckAllocated(mem []byte, ptr, size uint32) error {
	_, err := allocated(mem, ptr, 1, int(size))
	return err
}

func putU32(b []byte, at int, v uint32) { binary.LittleEndian.PutUint32(b[at:], v) }
