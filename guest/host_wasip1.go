package guest

import (
	"time"
	"unicode/utf8"
	"unsafe"
)

// Pointers are passed as pointers, so that their data stays alive, and on the heap,
// during the call.

//go:wasmimport airhost:core/host-services@0.1.0 send-message
func sendMessage(target unsafe.Pointer, targetSize uint32, message unsafe.Pointer, size uint32, area unsafe.Pointer)

//go:wasmimport airhost:core/host-services@0.1.0 send-request
func sendRequest(target unsafe.Pointer, targetSize uint32, request unsafe.Pointer, size uint32, timeoutMillis uint64, area unsafe.Pointer)

//go:wasmimport airhost:core/host-services@0.1.0 cancel-request
func cancelRequest(id uint64, area unsafe.Pointer)

//go:wasmimport airhost:core/host-services@0.1.0 self-id
func selfID(area unsafe.Pointer)

//go:wasmimport airhost:core/host-services@0.1.0 log
func log(level uint32, message unsafe.Pointer, size uint32)

//go:wasmimport airhost:core/host-services@0.1.0 current-time
func currentTime() uint64

// sendArea is the return area of send-message and cancel-request. Each call has its own:
// the host may call cabi_realloc meanwhile, and then other goroutines of the component
// can run.
type sendArea struct {
	failed        uint8
	_             [3]byte
	kind          uint8
	_             [3]byte
	address, size uint32
}

func (a *sendArea) err() error {
	if a.failed == 0 {
		return nil
	}
	return &MessagingError{MessagingErrorCase(a.kind), takeString(a.address, a.size)}
}

// requestArea is the return area of send-request and after.
type requestArea struct {
	failed uint8
	_      [7]byte
	id     uint64 // ok: the request's or timer's id; error: the case, and the text's address
	size   uint32
}

func (a *requestArea) outcome() (RequestID, error) {
	if a.failed == 0 {
		return RequestID(a.id), nil
	}
	return 0, &MessagingError{MessagingErrorCase(a.id), takeString(uint32(a.id>>32), a.size)}
}

// services is the [Host] of a WebAssembly module.
type services struct{}

func (services) Send(target string, message []byte) error {
	if !utf8.ValidString(target) {
		return errTarget
	}
	area := new(sendArea)
	sendMessage(textOf(target), uint32(len(target)), dataOf(message), uint32(len(message)), unsafe.Pointer(area))
	return area.err()
}

func (services) Request(target string, request []byte, timeout time.Duration) (RequestID, error) {
	millis, err := TimeoutMillis(timeout)
	if err != nil {
		return 0, err
	}
	if _, ok := exported.(CallbackHandler); !ok {
		return 0, errNoCallback
	}
	if !utf8.ValidString(target) {
		return 0, errTarget
	}
	area := new(requestArea)
	sendRequest(textOf(target), uint32(len(target)), dataOf(request), uint32(len(request)), millis, unsafe.Pointer(area))
	return area.outcome()
}

func (services) Cancel(id RequestID) error {
	area := new(sendArea)
	cancelRequest(uint64(id), unsafe.Pointer(area))
	return area.err()
}

var self string

func (services) SelfID() string {
	if self == "" {
		area := new([2]uint32)
		selfID(unsafe.Pointer(area))
		self = takeString(area[0], area[1])
	}
	return self
}

func (services) Log(level LogLevel, message string) {
	message = validText(message)
	log(uint32(min(level, LogError)), textOf(message), uint32(len(message)))
}

func (services) Now() time.Time { return time.Unix(0, int64(currentTime())) }

// Errors for arguments that the host would refuse or treat as a breach of the ABI.
var (
	errTarget     = &MessagingError{CaseInvalidArgument, "target: not UTF-8"}
	errNoCallback = &MessagingError{CaseInvalidArgument, "the component has no HandleCallback"}
)

func textOf(s string) unsafe.Pointer {
	if s == "" {
		return unsafe.Pointer(&nowhere)
	}
	return unsafe.Pointer(unsafe.StringData(s))
}
