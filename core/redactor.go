package core

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/url"
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
// text, or a [CutSign], has cut, at one side or at both. It does not find other encodings: it guards
// against mistakes, and not against a component that hides a secret in its texts.
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
	whole   *strings.Replacer
	longest int // form of a secret, in bytes
	// The forms by their first and their last six bytes.
	heads, tails map[string][]redacted
	// Places in long forms by the six bytes there: a text of shortestCut bytes has one of them.
	middles map[string][]place
}

// place is a place in a form of a secret.
type place struct {
	form redacted
	at   int
}

// Add makes a secret known. It does nothing if that is known already, shorter than
// [MinRedacted], or longer than [MaxRedacted], and nothing on nil.
func (r *Redactor) Add(key, value string) {
	if r == nil || len(value) < MinRedacted || len(value) > MaxRedacted {
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
	if len(text) < shortestCut && !strings.Contains(text, CutSign) {
		return text
	}
	parts := strings.Split(text, CutSign)
	for i, part := range parts {
		parts[i] = d.ends(part)
	}
	return strings.Join(parts, CutSign)
}

const (
	// shortestCut is the length of the shortest text that may have been cut without a mark.
	shortestCut = 256
	// apart is how far apart the places in long forms are.
	apart = shortestCut - MinRedacted
)

// build makes the forms of all secrets.
func (d *redaction) build() {
	var forms []redacted
	known := make(map[string]bool)
	for _, s := range d.secrets {
		lines := strings.FieldsFunc(s.value, func(r rune) bool { return r == '\n' || r == '\r' })
		for _, value := range append(lines, s.value) {
			for _, form := range formsOf(value) {
				if len(form) >= MinRedacted && !known[form] {
					known[form] = true
					forms = append(forms, redacted{s.key, form})
				}
			}
		}
	}
	slices.SortStableFunc(forms, func(a, b redacted) int { return cmp.Compare(len(b.value), len(a.value)) })
	d.heads, d.tails, d.middles = make(map[string][]redacted), make(map[string][]redacted), make(map[string][]place)
	var pairs []string
	for _, form := range forms {
		pairs = append(pairs, form.value, mark(form.key)) // the longest first
		d.longest = max(d.longest, len(form.value))
		for at := 0; len(form.value) > shortestCut && at <= len(form.value)-MinRedacted; at += apart {
			six := form.value[at : at+MinRedacted]
			d.middles[six] = append(d.middles[six], place{form, at})
		}
		head, tail := form.value[:MinRedacted], form.value[len(form.value)-MinRedacted:]
		d.heads[head], d.tails[tail] = append(d.heads[head], form), append(d.tails[tail], form)
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
		forms = append(forms, escaped, smallDigits(escaped))
	}
	return forms
}

// smallDigits returns an escaped text with a to f in place of A to F behind each percent sign.
func smallDigits(escaped string) string {
	if !strings.Contains(escaped, "%") {
		return escaped
	}
	b := []byte(escaped)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], strings.ToLower(escaped[i+1:i+3]))
		}
	}
	return string(b)
}

// inQuotes returns a text without the quotes around it.
func inQuotes(quoted string) string { return quoted[1 : len(quoted)-1] }

// ends returns a text that may have been cut, without what is left of a secret at its begin
// and its end. It looks up six bytes at each place, so that it takes as long for any number of
// secrets.
func (d *redaction) ends(text string) string {
	if key := d.around(text); key != "" {
		return mark(key)
	}
	for i := max(0, len(text)-d.longest); i <= len(text)-MinRedacted; i++ {
		if key := d.begun(text[i:]); key != "" {
			text = text[:i] + mark(key)
			break
		}
	}
	for i := min(d.longest, len(text)); i >= MinRedacted; i-- {
		if key := d.ended(text[:i]); key != "" {
			return mark(key) + text[i:]
		}
	}
	return text
}

// around returns the key of a secret that has begun before a text and goes on behind it, or "".
func (d *redaction) around(text string) string {
	if len(text) < shortestCut {
		return ""
	}
	for i := range apart {
		for _, p := range d.middles[text[i:i+MinRedacted]] {
			if begin := p.at - i; begin >= 0 && strings.HasPrefix(p.form.value[begin:], text) {
				return p.form.key
			}
		}
	}
	return ""
}

// begun returns the key of a secret that goes on behind a text, or "".
func (d *redaction) begun(text string) string {
	for _, s := range d.heads[text[:MinRedacted]] {
		if len(s.value) > len(text) && strings.HasPrefix(s.value, text) {
			return s.key
		}
	}
	return ""
}

// ended returns the key of a secret that has begun before a text, or "".
func (d *redaction) ended(text string) string {
	for _, s := range d.tails[text[len(text)-MinRedacted:]] {
		if len(s.value) > len(text) && strings.HasSuffix(s.value, text) {
			return s.key
		}
	}
	return ""
}

func mark(key string) string { return "[secret " + key + "]" }
