package sandbox

import (
	"fmt"
	"strings"
	"testing"

	"github.com/airhost/airhost/core"
)

// logBook keeps the lines of a guest.
type logBook struct {
	core.Services
	lines []string
}

func (b *logBook) Log(_ core.LogLevel, line []byte) { b.lines = append(b.lines, string(line)) }

// TestSplitSecrets: no line of a guest's output has more than a few bytes of a secret, wherever the host splits
// it, and however long it is.
func TestSplitSecrets(t *testing.T) {
	const short = "correct-horse-battery-staple"
	var long strings.Builder
	for i := range 3 * maxOutputLine / 8 {
		fmt.Fprintf(&long, "%08x", i*0x9e3779b1&0xffffffff)
	}
	var redactor core.Redactor
	redactor.Add("SHORT", short)
	redactor.Add("LONG", long.String())
	for before := maxOutputLine - len(short) - 1; before <= maxOutputLine+1; before++ {
		for _, secret := range []string{short, long.String()} {
			var o output
			book := new(logBook)
			o.write(book, []byte(strings.Repeat("-", before)+secret))
			o.write(book, []byte("\nnext\n"))
			if most := (before+len(secret))/maxOutputLine + 2; len(book.lines) > most+1 || book.lines[len(book.lines)-1] != "next" {
				t.Errorf("%d bytes before the secret: got %d lines", before, len(book.lines))
			}
			for _, line := range book.lines {
				clean := redactor.Text(line)
				for at := 0; at+core.MinRedacted <= len(clean); at++ {
					if part := clean[at : at+core.MinRedacted]; strings.Contains(secret, part) {
						t.Fatalf("%d bytes before the secret: a line of %d bytes has %q", before, len(line), part)
					}
				}
			}
		}
	}
}
