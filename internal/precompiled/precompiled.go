// Package precompiled reads and writes files that hold a guest's module and code that was
// compiled from it.
//
// Compiled code is machine code, which an engine runs without a check. So a file is
// signed, and the code of a file is used only if the reader trusts the key. The module is
// used in any case: it is compiled again if the code cannot be used.
//
// A file is the magic, the format, the size of the header, the header as JSON, the
// signature of all that, the module, and the entries of the code cache. The header has
// the hash of each part behind it.
package precompiled

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

const (
	magic     = "\x00airhost"
	format    = 1
	fixed     = len(magic) + 4 + 4 // the format and the size of the header follow the magic
	maxHeader = 64 << 10
	maxCode   = 1 << 30 // bytes of all code of a file

	// signedBy begins the signed text, so that a key's signatures of other things do not fit.
	signedBy = "airhost precompiled code\x00"
)

// Header describes the parts of a file, and the engine that can run its code.
type Header struct {
	Airhost   string `json:"airhost"` // the version
	Engine    string `json:"engine"`
	Version   string `json:"version"`   // of the engine, with its configuration
	Processor string `json:"processor"` // and the operating system
	Limits    string `json:"limits"`    // that change the code
	Module    Part   `json:"module"`
	Code      []Part `json:"code"`
}

// Part is a part of a file behind the header.
type Part struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 []byte `json:"sha256"`
}

func (p *Part) holds(data []byte) bool {
	sum := sha256.Sum256(data)
	return bytes.Equal(sum[:], p.SHA256)
}

// Entry is an entry of the code cache.
type Entry struct {
	Name string
	Code []byte
}

// Is reports whether a file that begins like this is precompiled.
func Is(data []byte) bool { return bytes.HasPrefix(data, []byte(magic)) }

// Write writes a file. It fills in the header's parts.
func Write(w io.Writer, h Header, module []byte, code []Entry, key ed25519.PrivateKey) error {
	part := func(name string, data []byte) Part {
		sum := sha256.Sum256(data)
		return Part{Name: name, Size: int64(len(data)), SHA256: sum[:]}
	}
	h.Module, h.Code = part("module", module), nil
	parts := [][]byte{module}
	for _, e := range code {
		h.Code, parts = append(h.Code, part(e.Name, e.Code)), append(parts, e.Code)
	}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if len(text) > maxHeader {
		return fmt.Errorf("its header has %d bytes, at most %d can be read", len(text), maxHeader)
	}
	head := binary.LittleEndian.AppendUint32([]byte(magic), format)
	head = append(binary.LittleEndian.AppendUint32(head, uint32(len(text))), text...)
	signature := ed25519.Sign(key, toSign(head))
	for _, data := range append([][]byte{head, signature}, parts...) {
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return nil
}

func toSign(head []byte) []byte { return append([]byte(signedBy), head...) }

// File is an open file. Its header is not yet trusted: anybody may have written it.
type File struct {
	Header Header
	Module []byte

	from    Opener
	start   []byte // header and signature
	signed  int    // how many bytes of start are signed
	size    int64
	trusted bool
}

// Opener opens the bytes of a file, and tells how many there are. They may be others at
// each time.
type Opener func() (Bytes, int64, error)

// Bytes are the bytes of an open file.
type Bytes interface {
	io.ReaderAt
	io.Closer
}

// Path is the Opener of a file.
func Path(path string) Opener {
	return func() (Bytes, int64, error) {
		file, info, err := OpenFile(path)
		if err != nil {
			return nil, 0, err
		}
		return file, info.Size(), nil
	}
}

// OpenFile opens a file for reading. It refuses a folder, and a pipe or device, which may block
// for ever or have no end. The caller must close the file.
func OpenFile(path string) (*os.File, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("want a file, this is %s", kindOf(info.Mode()))}
	}
	if err != nil {
		return nil, nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	if info, err = file.Stat(); err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, info, nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// ReadFile reads a file of at most so many bytes. Of a larger one it returns no bytes, and the
// size.
func ReadFile(path string, most int64) (data []byte, size int64, err error) {
	file, info, err := OpenFile(path)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	if info.Size() > most {
		return nil, info.Size(), nil
	}
	data = make([]byte, info.Size())
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return data, info.Size(), nil
}

// Memory is the Opener of bytes in memory.
func Memory(data []byte) Opener {
	return func() (Bytes, int64, error) { return memory{bytes.NewReader(data)}, int64(len(data)), nil }
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// ErrUntrusted is the reason not to use the code of a file.
var ErrUntrusted = errors.New("no key that is trusted here has signed it: `airhost help compile` tells how to trust one, or compile it again")

// Open reads the header and the module of a precompiled file, and does not read its code. It
// returns nil for all other files.
func Open(from Opener, maxModule int64) (*File, error) {
	data, size, err := from()
	if err != nil {
		return nil, err
	}
	defer data.Close()
	start := make([]byte, len(magic))
	if n, _ := data.ReadAt(start, 0); !Is(start[:n]) {
		return nil, nil
	}
	f := &File{from: from, size: size}
	if err := f.read(data, maxModule); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) read(data io.ReaderAt, maxModule int64) error {
	if err := f.header(data); err != nil {
		return err
	}
	h := &f.Header
	whole := int64(len(f.start))
	for _, p := range append([]Part{h.Module}, h.Code...) {
		if p.Size < 0 || p.Size > f.size {
			return errors.New("it is damaged: a part is larger than the file")
		}
		whole += p.Size
	}
	if code := whole - int64(len(f.start)) - h.Module.Size; code > maxCode {
		return fmt.Errorf("its code has %d bytes, at most %d are read", code, maxCode)
	}
	if whole != f.size {
		return fmt.Errorf("it is damaged: it has %d bytes, and its header says %d", f.size, whole)
	}
	if h.Module.Size > maxModule {
		return &TooLargeError{Size: h.Module.Size}
	}
	var err error
	f.Module, err = f.part(data, int64(len(f.start)), &h.Module)
	return err
}

// TooLargeError is the error about a file whose module is too large.
type TooLargeError struct{ Size int64 }

// Error tells the size.
func (e *TooLargeError) Error() string { return fmt.Sprintf("its module has %d bytes", e.Size) }

func (f *File) header(data io.ReaderAt) error {
	start := make([]byte, fixed)
	if _, err := data.ReadAt(start, 0); err != nil || !Is(start) {
		return errors.New("it is damaged: it ends within its header")
	}
	if got := binary.LittleEndian.Uint32(start[len(magic):]); got != format {
		return fmt.Errorf("it has the format %d of another version of airhost, which reads %d: compile the module again", got, format)
	}
	size := int(binary.LittleEndian.Uint32(start[len(magic)+4:]))
	if size > maxHeader {
		return fmt.Errorf("it is damaged: its header has %d bytes, at most %d are read", size, maxHeader)
	}
	f.signed = fixed + size
	f.start = make([]byte, f.signed+ed25519.SignatureSize)
	if n, err := data.ReadAt(f.start, 0); err != nil && n < len(f.start) {
		return errors.New("it is damaged: it ends within its header")
	}
	if err := json.Unmarshal(f.start[fixed:f.signed], &f.Header); err != nil {
		return fmt.Errorf("it is damaged: its header: %w", err)
	}
	return nil
}

func (f *File) part(data io.ReaderAt, at int64, p *Part) ([]byte, error) {
	read := make([]byte, p.Size)
	if n, err := data.ReadAt(read, at); err != nil && n < len(read) {
		return nil, fmt.Errorf("it is damaged: its part %.70q: %w", p.Name, err)
	}
	if !p.holds(read) {
		return nil, fmt.Errorf("it is damaged: its part %.70q is not what was written", p.Name)
	}
	return read, nil
}

// SignedBy reports whether one of the keys has signed the file. Only then Code returns
// anything.
func (f *File) SignedBy(keys []ed25519.PublicKey) bool {
	for _, key := range keys {
		if len(key) == ed25519.PublicKeySize && ed25519.Verify(key, toSign(f.start[:f.signed]), f.start[f.signed:]) {
			f.trusted = true
		}
	}
	return f.trusted
}

// Trusted reports whether SignedBy has found a key.
func (f *File) Trusted() bool { return f.trusted }

// Code reads the code of a file that is signed by a trusted key.
func (f *File) Code() ([]Entry, error) {
	if !f.trusted {
		return nil, ErrUntrusted
	}
	data, _, err := f.from()
	if err != nil {
		return nil, err
	}
	defer data.Close()
	var all []Entry
	at := int64(len(f.start)) + f.Header.Module.Size
	for i := range f.Header.Code {
		p := &f.Header.Code[i]
		code, err := f.part(data, at, p)
		if err != nil {
			return nil, err
		}
		all, at = append(all, Entry{p.Name, code}), at+p.Size
	}
	return all, nil
}

// Sum returns the SHA-256 of the whole file. The parts in memory are not read again, so that
// the sum is that of the module which f has.
func (f *File) Sum() (sum [sha256.Size]byte, err error) {
	data, _, err := f.from()
	if err != nil {
		return sum, err
	}
	defer data.Close()
	hash := sha256.New()
	hash.Write(f.start)
	hash.Write(f.Module)
	at := int64(len(f.start) + len(f.Module))
	if _, err := io.Copy(hash, io.NewSectionReader(data, at, f.size-at)); err != nil {
		return sum, err
	}
	hash.Sum(sum[:0])
	return sum, nil
}
