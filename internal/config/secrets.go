package config

import (
	"iter"
	"math"
	"regexp"
	"strings"
)

var (
	// secretKey is a key whose values may be secrets, up to the colon.
	secretKey = regexp.MustCompile(`\b(config|env|secrets)\b[^\w:]{0,3}:`)
	// keyOfPair is the key with which a text begins, up to the colon.
	keyOfPair    = regexp.MustCompile(`^\s*("[^"]*"|'[^']*'|[^\s"'{}\[\],:]+)\s*:(\s|$)`)
	variableName = regexp.MustCompile(`\$\{\w+`)
)

// maskLine returns line n of a file, with stars for possible secrets: the values of config, env and secrets. It
// reads the text alone, since the file may be no valid YAML, and rather hides too much.
func maskLine(lines []string, n int) string {
	line := lines[n]
	within, direct := withinSecret(lines, n)
	switch {
	case within && direct:
		return maskPairs(line)
	case within:
		return maskValue(line)
	}
	var b strings.Builder
	for {
		found := secretKey.FindStringIndex(line)
		if found == nil {
			return b.String() + line
		}
		end := found[1] + valueLength(line[found[1]:])
		b.WriteString(line[:found[1]] + maskPairs(line[found[1]:end]))
		line = line[end:]
	}
}

// withinSecret reports whether a line stands below a key whose values may be secrets, and
// whether directly.
func withinSecret(lines []string, n int) (within, direct bool) {
	direct = true
	for column, i := columnOf(lines[n]), n-1; i >= 0 && column > 0; i-- {
		content := strings.TrimLeft(lines[i], " \t")
		if content == "" || content[0] == '#' || len(lines[i])-len(content) >= column {
			continue // also without a look at its key
		}
		at := columnOf(lines[i])
		if at >= column {
			continue
		}
		if opensSecret(lines[i]) {
			return true, direct
		}
		column, direct = at, false
	}
	return false, false
}

// opensSecret reports whether a line has a key whose values may be secrets, and goes on below.
func opensSecret(line string) bool {
	open := false
	for found := secretKey.FindStringIndex(line); found != nil; found = secretKey.FindStringIndex(line) {
		line = line[found[1]:]
		n := valueLength(line)
		open = !strings.HasSuffix(strings.TrimSpace(line[:n]), "}")
		line = line[n:]
	}
	return open
}

// columnOf is where the content of a line begins, behind the dashes of lists. A tab, which YAML does
// not allow there, is as wide as a terminal shows it. A line that begins with no key and no dash
// belongs to the one above it.
func columnOf(line string) int {
	content := strings.TrimLeft(line, " \t")
	if !strings.HasPrefix(content, "- ") && !keyOfPair.MatchString(content) {
		return math.MaxInt
	}
	for strings.HasPrefix(content, "- ") {
		content = strings.TrimLeft(content[1:], " \t")
	}
	indent := line[:len(line)-len(content)]
	return len(indent) + 7*strings.Count(indent, "\t")
}

// valueLength is the length of the value with which a text begins: up to the end of its braces,
// or else the rest of the line.
func valueLength(text string) int {
	if !strings.HasPrefix(strings.TrimLeft(text, " "), "{") {
		return len(text)
	}
	depth := 0
	for i, b := range outsideQuotes(text) {
		switch b {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// outsideQuotes are the bytes of a text that stand in no quotes.
func outsideQuotes(text string) iter.Seq2[int, byte] {
	return func(yield func(int, byte) bool) {
		quote := byte(0)
		for i := range len(text) {
			b := text[i]
			switch {
			case quote == 0 && (b == '"' || b == '\''):
				quote = b
			case quote == 0:
				if !yield(i, b) {
					return
				}
			case b == quote && (b == '\'' || text[i-1] != '\\'):
				quote = 0
			}
		}
	}
}

// maskPairs masks the values of a text with keys and values: it keeps the keys.
func maskPairs(text string) string {
	var b strings.Builder
	from := 0
	pair := func(to int) {
		key := keyOfPair.FindString(text[from:to])
		b.WriteString(key + maskValue(text[from+len(key):to]))
		from = to
	}
	for i, c := range outsideQuotes(text) {
		if c == ',' || c == '{' && !strings.HasSuffix(text[:i], "$") {
			pair(i)
			from++
			b.WriteByte(c)
		}
	}
	pair(len(text))
	return b.String()
}

// maskValue returns a text with a star for each character but spaces, braces, quotes, and names of
// variables.
func maskValue(text string) string {
	var b strings.Builder
	from := 0
	for _, name := range variableName.FindAllStringIndex(text, -1) {
		b.WriteString(stars(text[from:name[0]]) + text[name[0]:name[1]])
		from = name[1]
	}
	return b.String() + stars(text[from:])
}

func stars(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t{}\"'", r) {
			return r
		}
		return '*'
	}, text)
}
