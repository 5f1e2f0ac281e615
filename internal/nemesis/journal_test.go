package nemesis

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// journal is a file to which a host appends a line for all that it does. A line is written before
// anything else happens: what a host that is killed has done is in it.
type journal struct{ file *os.File }

func openJournal(path string) (*journal, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return &journal{file}, err
}

// write appends a line: the time and words.
func (j *journal) write(kind string, words ...any) {
	line := fmt.Appendf(nil, "%d %s", time.Now().UnixNano(), kind)
	for _, word := range words {
		line = fmt.Append(append(line, ' '), word)
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		panic(err) // nothing can be said about this run
	}
}

// record is a line of a journal.
type record struct {
	at    int64 // in nanoseconds since the Unix epoch
	kind  string
	words []string
}

func parseRecord(line string) (record, error) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return record{}, fmt.Errorf("line %q: want a time and a kind", line)
	}
	at, err := strconv.ParseInt(words[0], 10, 64)
	return record{at, words[1], words[2:]}, err
}

func (r record) word(i int) string {
	if i < len(r.words) {
		return r.words[i]
	}
	return ""
}

// number returns a word that is a number, or -1.
func (r record) number(i int) int {
	n, err := strconv.Atoi(r.word(i))
	if err != nil {
		return -1
	}
	return n
}

// appendPayload makes the content of a message: the run of its sender, its number, and as many
// bytes as are wanted.
func appendPayload(sender string, number, size int) []byte {
	payload := fmt.Appendf(make([]byte, 0, size+64), "%s %d ", sender, number)
	for len(payload) < size {
		payload = append(payload, 'x')
	}
	return payload
}

func parsePayload(payload []byte) (sender string, number int, ok bool) {
	text := string(payload[:min(len(payload), 128)])
	sender, rest, _ := strings.Cut(text, " ")
	digits, _, ok := strings.Cut(rest, " ")
	number, err := strconv.Atoi(digits)
	return sender, number, ok && err == nil
}

// firstWord is the fixed word that an error begins with.
func firstWord(text string) string {
	word, _, _ := strings.Cut(text, ":")
	return strings.ReplaceAll(strings.TrimSpace(word), " ", "-")
}
