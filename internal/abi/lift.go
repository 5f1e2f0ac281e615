package abi

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/airhost/airhost/core"
)

// MaxErrorText is the longest text of a component-error in bytes. Longer texts are
// cut.
const MaxErrorText = 4096

// Sizes and alignments of the areas through which results are passed.
const (
	resultSize  = 16
	resultAlign = 4
	caseAt      = 4 // offset of the error case; the error's string follows

	idSize   = 24 // of send-request and after
	idAlign  = 8
	idCaseAt = 8

	stringSize  = 8
	stringAlign = 4
)

// LiftResponse reads the result area of handle-message: the response or the guest's
// error. The response is a view of mem.
func LiftResponse(mem []byte, area uint32) ([]byte, *core.ComponentError, error) {
	return liftResult(mem, area, HandleMessage, "the response")
}

// LiftState is [LiftResponse] for save and the guest's state.
func LiftState(mem []byte, area uint32) ([]byte, *core.ComponentError, error) {
	return liftResult(mem, area, Save, "the state")
}

func liftResult(mem []byte, area uint32, of, name string) ([]byte, *core.ComponentError, error) {
	a, err := areaAt(mem, area, resultSize, resultAlign, of)
	if err != nil {
		return nil, nil, err
	}
	if a[0] == 0 {
		b, err := LiftBytes(mem, u32(a, 4), u32(a, 8), name)
		return b, nil, err
	}
	failure, err := liftError(mem, a, of)
	return nil, failure, err
}

// LiftOutcome reads the result area of handle-callback, initialize or restore, named by
// of: nothing or the guest's error.
func LiftOutcome(mem []byte, area uint32, of string) (*core.ComponentError, error) {
	a, err := areaAt(mem, area, resultSize, resultAlign, of)
	if err != nil || a[0] == 0 {
		return nil, err
	}
	return liftError(mem, a, of)
}

// LiftHealth checks the result of health.
func LiftHealth(status uint32) (core.HealthStatus, error) {
	if status > uint32(core.HealthUnhealthy) {
		return 0, violation("health returned the unknown status %d", status)
	}
	return core.HealthStatus(status), nil
}

// LiftLogLevel checks the level given to log.
func LiftLogLevel(level uint32) (core.LogLevel, error) {
	if level > uint32(core.LogError) {
		return 0, violation("log was given the unknown level %d", level)
	}
	return core.LogLevel(level), nil
}

// LiftBytes returns the size bytes at ptr, as a view of mem. An error
// describes the bytes by name.
func LiftBytes(mem []byte, ptr, size uint32, name string) ([]byte, error) {
	b, ok := view(mem, ptr, size)
	if !ok {
		return nil, outOfRange(mem, ptr, size, name)
	}
	return b, nil
}

// view returns the size bytes at ptr, or false if they are not all in mem. The sum
// cannot overflow in 64 bits.
func view(mem []byte, ptr, size uint32) ([]byte, bool) {
	end := uint64(ptr) + uint64(size)
	if end > uint64(len(mem)) {
		return nil, false
	}
	return mem[ptr:end:end], true
}

func outOfRange(mem []byte, ptr, size uint32, name string) error {
	return violation("%s of %d bytes at %#x is outside of the memory of %d bytes", name, size, ptr, len(mem))
}

// areaAt returns a result area and checks that its discriminant is valid.
func areaAt(mem []byte, ptr, size, align uint32, of string) ([]byte, error) {
	a, err := place(mem, ptr, size, align, of)
	if err == nil && a[0] > 1 {
		return nil, violation("the result of %s has the discriminant %d, want 0 or 1", of, a[0])
	}
	return a, err
}

// place returns a result area of the given size and alignment.
func place(mem []byte, ptr, size, align uint32, of string) ([]byte, error) {
	a, ok := view(mem, ptr, size)
	if !ok {
		return nil, outOfRange(mem, ptr, size, "the result area of "+of)
	}
	if ptr&(align-1) != 0 {
		return nil, violation("the result area of %s at %#x is not aligned to %d bytes", of, ptr, align)
	}
	return a, nil
}

func liftError(mem, area []byte, of string) (*core.ComponentError, error) {
	c := core.ComponentErrorCase(area[caseAt])
	if !c.Valid() {
		return nil, violation("the error of %s has the unknown case %d", of, area[caseAt])
	}
	text, err := LiftBytes(mem, u32(area, caseAt+4), u32(area, caseAt+8), "the error text of "+of)
	if err != nil {
		return nil, err
	}
	if text = clip(text); !utf8.Valid(text) {
		return nil, violation("the error text of %s is not UTF-8", of)
	}
	return &core.ComponentError{Case: c, Text: string(text)}, nil
}

// clip cuts a text to MaxErrorText bytes. It cuts between two characters if the text
// is UTF-8, which is not checked yet.
func clip(text []byte) []byte {
	end := MaxErrorText
	if len(text) <= end {
		return text
	}
	for end > MaxErrorText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

func u32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }

// isText reports whether b is UTF-8. It is fast for ASCII, which most ids are.
func isText(b []byte) bool {
	var all byte
	for _, c := range b {
		all |= c
	}
	return all < utf8.RuneSelf || utf8.Valid(b)
}

// LiftSend checks the target and message of send-message or send-request, named by
// of. It does not check the result area. The results are views of mem.
func LiftSend(mem []byte, targetPtr, targetSize, ptr, size uint32, of string) (target, message []byte, err error) {
	target, ok := view(mem, targetPtr, targetSize)
	if !ok {
		return nil, nil, outOfRange(mem, targetPtr, targetSize, "the target of "+of)
	}
	// Valid ids are much shorter. Checking and copying megabytes would take longer
	// than a guest may run without a check.
	if target = clip(target); !isText(target) {
		return nil, nil, violation("the target of %s is not UTF-8", of)
	}
	if message, ok = view(mem, ptr, size); !ok {
		return nil, nil, outOfRange(mem, ptr, size, "the message of "+of)
	}
	return target, message, nil
}

// LiftCall checks the name and argument of call. It does not check the result area. The
// results are views of mem.
func LiftCall(mem []byte, namePtr, nameSize, ptr, size uint32) (name, argument []byte, err error) {
	if name, err = liftText(mem, namePtr, nameSize, "the name of "+CallName); err != nil {
		return nil, nil, err
	}
	argument, err = LiftBytes(mem, ptr, size, "the argument of "+CallName)
	return name, argument, err
}

// LiftPublish checks the topic and message of publish. It does not check the result area.
// The results are views of mem.
func LiftPublish(mem []byte, topicPtr, topicSize, ptr, size uint32) (topic, message []byte, err error) {
	if topic, err = liftText(mem, topicPtr, topicSize, "the topic of "+PublishName); err != nil {
		return nil, nil, err
	}
	message, err = LiftBytes(mem, ptr, size, "the message of "+PublishName)
	return topic, message, err
}

// liftText returns a text, which an error describes by name. It is cut, as a target is: valid
// ones are much shorter.
func liftText(mem []byte, ptr, size uint32, name string) ([]byte, error) {
	text, ok := view(mem, ptr, size)
	if !ok {
		return nil, outOfRange(mem, ptr, size, name)
	}
	if text = clip(text); !isText(text) {
		return nil, violation("%s is not UTF-8", name)
	}
	return text, nil
}
