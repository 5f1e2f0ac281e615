package core

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// MinRedacted is the length in bytes of the shortest secret that a [Redactor] replaces. A
	// shorter one would be found in texts by chance.
	MinRedacted = 6
	// MaxRedacted is how many bytes of secrets a [Redactor] knows. It forgets the oldest ones.
	MaxRedacted = 16 << 20
)

// Redactor replaces secrets in texts: by "[secret KEY]". It finds a secret as it is, each line of
// one that has several, escaped as in JSON, Go or a URL, and also one that the begin or the end of the
// text, or the mark of [CutText], has cut. It does not find other encodings: it guards against
// mistakes, and not against a component that hides a secret in what it says.
//
// The zero value is ready to use and knows no secret. Its methods may be called from any
// goroutine, and on nil.
type Redactor struct {
	known atomic.Pointer[redaction] // nil: none

	mu      sync.Mutex // guards the following
	secrets []redacted // the oldest first
	bytes   int
}

// redacted is a secret.
type redacted struct{ key, value string }

// redaction replaces the secrets that were known at one time. It is made once it is needed.
type redaction struct {
	secrets []redacted
	once    sync.Once
	forms   []redacted // of all secrets, the longest first
	whole   *strings.Replacer
}

// Add makes a secret known. It does nothing if that is known already, or shorter than
// [MinRedacted].
func (r *Redactor) Add(key, value string) {
	if len(value) < MinRedacted || len(value) > MaxRedacted {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.secrets {
		if s.value == value {
			return
		}
	}
	next := append(r.secrets[:len(r.secrets):len(r.secrets)], redacted{key, value})
	for r.bytes += len(value); r.bytes > MaxRedacted; next = next[1:] {
		r.bytes -= len(next[0].value)
	}
	r.secrets = next
	r.known.Store(&redaction{secrets: next})
}

// Knows reports whether r knows a secret.
func (r *Redactor) Knows() bool { return r != nil && r.known.Load() != nil }

// Text returns a text without secrets.
func (r *Redactor) Text(text string) string {
	if !r.Knows() || len(text) < MinRedacted {
		return text
	}
	return r.known.Load().text(text)
}

func (d *redaction) text(text string) string {
	d.once.Do(d.build)
	text = d.whole.Replace(text)
	if len(text) < shortestCut && !strings.Contains(text, cutSign) {
		return text
	}
	parts := strings.Split(text, cutSign)
	for i, part := range parts {
		parts[i] = d.ends(part)
	}
	return strings.Join(parts, cutSign)
}

const (
	// cutSign begins the mark of [CutText].
	cutSign = "…"
	// shortestCut is the length of the shortest text that may have been cut without a mark.
	shortestCut = 256
)

// build makes the forms of all secrets.
func (d *redaction) build() {
	known := make(map[string]bool)
	for _, s := range d.secrets {
		lines := strings.FieldsFunc(s.value, func(r rune) bool { return r == '\n' || r == '\r' })
		for _, value := range append(lines, s.value) {
			for _, form := range formsOf(value) {
				if len(form) >= MinRedacted && !known[form] {
					known[form] = true
					d.forms = append(d.forms, redacted{s.key, form})
				}
			}
		}
	}
	slices.SortStableFunc(d.forms, func(a, b redacted) int { return cmp.Compare(len(b.value), len(a.value)) })
	var pairs []string
	for _, form := range d.forms {
		pairs = append(pairs, form.value, mark(form.key))
	}
	d.whole = strings.NewReplacer(pairs...)
}

// formsOf returns a value, and that as it stands in JSON, Go and URLs.
func formsOf(value string) []string {
	forms := []string{value, inQuotes(strconv.Quote(value)), inQuotes(strconv.QuoteToASCII(value))}
	var b bytes.Buffer
	for _, html := range []bool{false, true} {
		b.Reset()
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if e.Encode(value) == nil {
			forms = append(forms, inQuotes(strings.TrimSpace(b.String())))
		}
	}
	for _, escaped := range []string{url.PathEscape(value), url.QueryEscape(value), strings.ReplaceAll(url.QueryEscape(value), "+", "%20")} {
		forms = append(forms, escaped, percentByte.ReplaceAllStringFunc(escaped, strings.ToLower))
	}
	return forms
}

var percentByte = regexp.MustCompile("%[0-9A-F]{2}")

// inQuotes returns a text without the quotes around it.
func inQuotes(quoted string) string { return quoted[1 : len(quoted)-1] }

// ends returns a text that may have been cut, without what is left of a secret at its begin
// and its end.
func (d *redaction) ends(text string) string {
	for _, s := range d.forms {
		if n := cutLength(text, s.value, strings.HasSuffix, func(n int) string { return s.value[:n] }); n > 0 {
			text = text[:len(text)-n] + mark(s.key)
		}
		if n := cutLength(text, s.value, strings.HasPrefix, func(n int) string { return s.value[len(s.value)-n:] }); n > 0 {
			text = mark(s.key) + text[n:]
		}
	}
	return text
}

// cutLength returns how many bytes of a secret, but not all, a text has at one end.
func cutLength(text, secret string, has func(text, part string) bool, part func(n int) string) int {
	for n := min(len(secret)-1, len(text)); n >= MinRedacted; n-- {
		if has(text, part(n)) {
			return n
		}
	}
	return 0
}

func mark(key string) string { return "[secret " + key + "]" }
