package core

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Texts that a host gets from guests, engines, brokers and trackers are cut to these
// sizes in bytes as soon as they arrive.
const (
	// MaxErrorText is for the text of an error, for a requester or a log.
	MaxErrorText = 4 << 10
	// MaxDetails is for a trap's details and for a log line.
	MaxDetails = 8 << 10
	// MaxStderr is for the last lines of standard error in a trap.
	MaxStderr = 1 << 10
)

// CutSign stands where a text was cut: it begins the mark of [CutText]. By it a [Redactor] finds the
// parts of secrets.
const CutSign = "…"

// cutMark is longer than any mark of CutText.
const cutMark = len(CutSign + " (9223372036854775807 bytes more)")

// CutText returns text if it has at most most bytes. Otherwise it returns the
// beginning of text, and a mark that says how many bytes were left out. The result
// has at most most bytes with the mark, does not cut a UTF-8 character in two, and
// does not keep the longer text in memory. The mark is left out if it does not fit.
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
	return fmt.Sprintf("%s%s (%d bytes more)", string(text[:keep]), CutSign, len(text)-keep)
}
