package wasi

import (
	"math"

	"github.com/airhost/airhost/core"
)

// fileStream is a source or a sink of the bytes of a file.
type fileStream struct {
	of *descriptor
	at int64 // where it goes on, or core.AtEnd
}

var (
	_ source = (*fileStream)(nil)
	_ sink   = (*fileStream)(nil)
)

// next implements [source].
func (s *fileStream) next(c *call, n int) ([]byte, *streamError) {
	b := c.chunk(uint64(n))
	got, err := c.readFile(s.of, b, s.at)
	if err != nil {
		return nil, failedStream(err)
	}
	s.at += int64(got)
	return b[:got], nil
}

// closed implements [sink].
func (s *fileStream) closed() bool { return false }

// take implements [sink].
func (s *fileStream) take(c *call, b []byte) *streamError {
	for len(b) > 0 {
		n, err := c.writeFile(s.of, b, s.at)
		if err != nil {
			return failedStream(err)
		}
		if b = b[n:]; s.at != core.AtEnd {
			s.at += int64(n)
		}
	}
	return nil
}

func failedStream(err error) *streamError {
	e := core.AsFileError(err)
	return &streamError{text: e.Code.String(), file: e}
}

// fileErrorCode is the function filesystem-error-code.
func fileErrorCode(c *call) any {
	if e := c.args[0].(*handle).value.(*streamError).file; e != nil {
		return some(variant{number: uint32(e.Code)})
	}
	return none
}

// fileStream returns a stream of a file, from a place on. It keeps the file open.
func (c *call) fileStream(at uint64, allowed bool) (*fileStream, error) {
	d := descriptorOf(c.args[0])
	switch {
	case d.directory:
		return nil, &core.FileError{Code: core.FileIsDirectory}
	case !allowed:
		return nil, &core.FileError{Code: core.FileBadDescriptor}
	case at > math.MaxInt64:
		return nil, &core.FileError{Code: core.FileInvalid}
	}
	d.uses++
	return &fileStream{of: d, at: int64(at)}, nil
}

func readStream(c *call) any {
	s, err := c.fileStream(c.args[1].(uint64), descriptorOf(c.args[0]).read)
	if err != nil {
		return fileFailed(err)
	}
	return ok(&inputStream{from: s, of: s.of})
}

func writeStream(c *call) any { return c.streamTo(c.args[1].(uint64), false) }

func appendStream(c *call) any { return c.streamTo(0, true) }

func (c *call) streamTo(at uint64, end bool) any {
	s, err := c.fileStream(at, descriptorOf(c.args[0]).write)
	if err != nil {
		return fileFailed(err)
	}
	if end {
		s.at = core.AtEnd
	}
	return ok(&outputStream{to: s, of: s.of})
}
