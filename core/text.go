package core

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// What a host keeps and passes on of a text that somebody else chose, in bytes. It
// cuts longer ones where they come in, whichever engine, broker or tracker they
// come from.
const (
	// MaxErrorText is for an error's text: what a requester or a log is told.
	MaxErrorText = 4 << 10
	// MaxDetails is for a trap's details and for a log line.
	MaxDetails = 8 << 10
	// MaxStderr is for the last lines of standard error that a trap tells.
	MaxStderr = 1 << 10
)

// cutMark is longer than any mark of CutText.
const cutMark = len("… (9223372036854775807 bytes more)")

// CutText returns text itself, or, where that is longer than most bytes, its
// beginning with a mark that says how many bytes were left out. The result, mark
// included, has at most most bytes, ends no UTF-8 character in the middle, and
// does not keep a longer text in memory. Where there is no place for a mark there
// is none.
func CutText[T ~string | ~[]byte](text T, most int) string {
	if len(text) <= most {
		return string(text)
	}
	keep := max(0, most-cutMark)
	marked := keep > 0
	if !marked {
		keep = max(0, most)
	}
	for back := 1; back < utf8.UTFMax && keep > 0 && !utf8.RuneStart(text[keep]); back++ {
		keep--
	}
	if !marked {
		return strings.Clone(string(text[:keep]))
	}
	return fmt.Sprintf("%s… (%d bytes more)", string(text[:keep]), len(text)-keep)
}
