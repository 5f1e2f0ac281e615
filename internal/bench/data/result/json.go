package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Write writes the file as indented JSON. An invalid file is an error that
// matches [ErrInvalid], and nothing is written.
func (f *File) Write(w io.Writer) error {
	if err := f.Validate(); err != nil {
		return err
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(f); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	_, err := w.Write(text.Bytes())
	return err
}

// Read reads one file. An unknown field, a field of the wrong type, text after
// the end, or a file that [File.Validate] refuses is an error that matches
// [ErrInvalid]. Cells without a target in multiples get the one of this build.
func Read(r io.Reader) (*File, error) {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	var f File
	if err := decoder.Decode(&f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: there is text after the end", ErrInvalid)
	}
	if err := f.Validate(); err != nil {
		return nil, err
	}
	f.aim()
	return &f, nil
}

// aim adds the targets in multiples to a file that was written before there were any.
func (f *File) aim() {
	for _, cell := range f.Cells {
		if cell.Figures != nil && cell.TargetMultiple == nil {
			cell.aim(cell.Key)
		}
	}
}

// ReadFile is [Read] of the file at path.
func ReadFile(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading results: %w", err)
	}
	defer file.Close()
	f, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}
