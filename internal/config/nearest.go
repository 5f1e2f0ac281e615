package config

import (
	"fmt"
	"strings"

	"github.com/airhost/airhost/internal/nearest"
)

// suggest completes a sentence about a wrong word: the nearest valid one, or
// all of them.
func suggest(word string, valid []string) string {
	if near := nearest.Of(word, valid); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "want " + alternatives(valid)
}

// alternatives lists words as "a, b or c".
func alternatives(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
