//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"bytes"
	_ "embed"
	"encoding/binary"

	"github.com/airhost/airhost/core"
)

// scriptWasm is a guest that runs its messages as scripts: see testdata/script.c.
//
//go:embed testdata/script.wasm
var scriptWasm []byte

// script makes such a message: the steps, and after them the bytes that they name.
type script struct {
	steps, data []byte
	names       []int // offsets in steps of references to data
}

// named adds a step that names bytes.
func (s *script) named(step string, all ...[]byte) *script {
	s.steps = append(s.steps, step...)
	for _, b := range all {
		s.names = append(s.names, len(s.steps))
		s.steps = binary.LittleEndian.AppendUint32(s.steps, uint32(len(s.data)))
		s.steps = binary.LittleEndian.AppendUint32(s.steps, uint32(len(b)))
		s.data = append(s.data, b...)
	}
	return s
}

// send adds a step that sends a message, with an area of the guest's own.
func (s *script) send(target, message string) *script { return s.sendAt(target, []byte(message), 0) }

func (s *script) sendAt(target string, message []byte, area uint32) *script {
	s.named("s", []byte(target), message)
	s.steps = binary.LittleEndian.AppendUint32(s.steps, area)
	return s
}

func (s *script) request(target, request string, timeoutMillis uint64) *script {
	return s.requestAt(target, []byte(request), timeoutMillis, 0)
}

func (s *script) requestAt(target string, request []byte, timeoutMillis uint64, area uint32) *script {
	s.named("r", []byte(target), request)
	s.steps = binary.LittleEndian.AppendUint64(s.steps, timeoutMillis)
	s.steps = binary.LittleEndian.AppendUint32(s.steps, area)
	return s
}

func (s *script) cancel(id core.RequestID) *script {
	s.steps = binary.LittleEndian.AppendUint64(append(s.steps, 'c'), uint64(id))
	return s
}

// cancelSent cancels the n-th request that the guest has sent, from 0 on.
func (s *script) cancelSent(n int) *script {
	s.steps = binary.LittleEndian.AppendUint32(append(s.steps, 'C'), uint32(n))
	return s
}

func (s *script) log(text string) *script { return s.named("l", []byte(text)) }

func (s *script) echo(text string) *script { return s.named("e", []byte(text)) }

// before adds a step that names so many bytes before the message: the sender is there in
// the guest's memory.
func (s *script) before(step string, size int) *script {
	s.steps = binary.LittleEndian.AppendUint32(append(s.steps, step...), uint32(-size))
	s.steps = binary.LittleEndian.AppendUint32(s.steps, uint32(size))
	return s
}

// step adds steps without numbers.
func (s *script) step(letters string) *script {
	s.steps = append(s.steps, letters...)
	return s
}

// later adds the script of health and shutdown. It is the last step.
func (s *script) later(then *script) *script {
	s.steps = append(append(s.steps, 'd'), then.message()...)
	return s
}

func (s *script) message() []byte {
	steps := append(bytes.Clone(s.steps), '.')
	for _, at := range s.names {
		place := binary.LittleEndian.Uint32(steps[at:]) + uint32(len(steps))
		binary.LittleEndian.PutUint32(steps[at:], place)
	}
	return append(steps, s.data...)
}
