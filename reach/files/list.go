package files

import (
	"errors"
	"io"
	"os"
	"unicode/utf8"

	"github.com/airhost/airhost/core"
)

// listing reads the entries of a directory one after the other, in parts.
type listing struct {
	folder *os.File // nil before it begins
	part   []core.FileEntry
	at     int64 // the place of the first entry of part
	end    bool  // there is none after part
}

const (
	listAtOnce = 256     // entries that are read at once
	mostPassed = 100_000 // entries that one call passes over
)

// from returns some entries from a place on. One that was passed is found by beginning anew.
func (l *listing) from(root *os.Root, place int64) ([]core.FileEntry, error) {
	if place < 0 {
		return nil, &core.FileError{Code: core.FileInvalid}
	}
	if l.folder == nil || place == 0 || place < l.at {
		if err := l.begin(root); err != nil {
			return nil, err
		}
	}
	for passed := 0; place >= l.at+int64(len(l.part)); passed += listAtOnce {
		if l.end {
			return nil, nil
		}
		if passed > mostPassed {
			return nil, &core.FileError{Code: core.FileOverflow, Text: "the place is too far from the last one: read the directory in order"}
		}
		if err := l.next(); err != nil {
			return nil, err
		}
	}
	return l.part[place-l.at:], nil
}

func (l *listing) begin(root *os.Root) (err error) {
	l.close()
	l.folder, err = root.OpenFile(".", os.O_RDONLY|onlyDirectory|noWait, 0)
	return err
}

func (l *listing) next() error {
	l.at += int64(len(l.part))
	l.part = l.part[:0]
	entries, err := l.folder.ReadDir(listAtOnce)
	for _, e := range entries {
		if utf8.ValidString(e.Name()) {
			l.part = append(l.part, core.FileEntry{Name: e.Name(), Type: typeOf(e.Type())})
		}
	}
	if errors.Is(err, io.EOF) {
		l.end, err = true, nil
	}
	return err
}

func (l *listing) close() {
	if l.folder != nil {
		_ = l.folder.Close() // it was read only
	}
	*l = listing{}
}
