package nearest_test

import (
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/nearest"
)

func TestOf(t *testing.T) {
	keys := []string{"memory", "table_elements", "handler_time", "fuel", "mailbox"}
	for word, want := range map[string]string{
		"memroy": "memory", "Memory": "memory", "mem": "", "handlertime": "handler_time", "handler-time": "handler_time",
		"fule": "fuel", "mail_box": "mailbox", "x": "", "": "", strings.Repeat("memory", 100): "",
	} {
		if got := nearest.Of(word, keys); got != want {
			t.Errorf("Of(%.20q) = %q, want %q", word, got, want)
		}
	}
}
