//go:build cgo

package componenttest_test

import (
	"strings"
	"unicode"
)

// sexpr is an s-expression of the text format: an atom, a string or a list.
type sexpr struct {
	text string // of the whole, as it was written
	atom string // an atom, or a string's bytes
	str  bool
	list []sexpr
	line int
}

// head returns the first atom of a list.
func (s *sexpr) head() string {
	if len(s.list) == 0 || s.list[0].str {
		return ""
	}
	return s.list[0].atom
}

// wastParser reads s-expressions.
type wastParser struct {
	text string
	pos  int
}

// skip skips blanks and comments.
func (p *wastParser) skip() {
	for p.pos < len(p.text) {
		rest := p.text[p.pos:]
		switch {
		case strings.HasPrefix(rest, ";;"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			p.pos += end
		case strings.HasPrefix(rest, "(;"):
			p.pos += strings.Index(rest, ";)") + 2
		case unicode.IsSpace(rune(rest[0])):
			p.pos++
		default:
			return
		}
	}
}

func (p *wastParser) next() (s sexpr, ok bool) {
	p.skip()
	if p.pos == len(p.text) || p.text[p.pos] == ')' {
		return s, false
	}
	start := p.pos
	s.line = 1 + strings.Count(p.text[:start], "\n")
	switch p.text[p.pos] {
	case '(':
		p.pos++
		for {
			inner, ok := p.next()
			if !ok {
				break
			}
			s.list = append(s.list, inner)
		}
		p.pos++
	case '"':
		s.str = true
		s.atom = p.quoted()
	default:
		for p.pos < len(p.text) && !strings.ContainsRune("()\"; \t\n\r", rune(p.text[p.pos])) {
			p.pos++
		}
		s.atom = p.text[start:p.pos]
	}
	s.text = p.text[start:p.pos]
	return s, true
}

// quoted reads a string and returns its bytes.
func (p *wastParser) quoted() string {
	var out []byte
	hex := func(c byte) byte { return byte(strings.IndexByte("0123456789abcdef", c)) }
	for p.pos++; p.text[p.pos] != '"'; p.pos++ {
		c := p.text[p.pos]
		if c == '\\' {
			p.pos++
			switch c = p.text[p.pos]; c {
			case 'n':
				c = '\n'
			case 't':
				c = '\t'
			case 'r':
				c = '\r'
			case '"', '\'', '\\':
			default:
				c = hex(lower(c))<<4 | hex(lower(p.text[p.pos+1]))
				p.pos++
			}
		}
		out = append(out, c)
	}
	p.pos++
	return string(out)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'F' {
		return c + 'a' - 'A'
	}
	return c
}

// parseWast returns the commands of a script.
func parseWast(text string) (commands []sexpr) {
	p := &wastParser{text: text}
	for {
		s, ok := p.next()
		if !ok {
			return commands
		}
		commands = append(commands, s)
	}
}
