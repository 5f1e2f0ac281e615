package output

import (
	"strings"
	"testing"
)

// Colours must not move columns.
func TestColoursKeepColumns(t *testing.T) {
	g := grid{
		header: []column{{"a", false}, {"number", true}, {"c", false}},
		rows:   [][]field{{{"x", green}, {"1", bold}, {"y", ordinary}}, {{"longer", red}, {"12", ordinary}, {"z", dim}}},
	}
	var plain, coloured strings.Builder
	g.print(&plain, false)
	g.print(&coloured, true)
	if strings.Contains(plain.String(), "\x1b") {
		t.Errorf("without colours: got %q", plain.String())
	}
	stripped := coloured.String()
	for _, s := range []style{bold, dim, red, green} {
		if !strings.Contains(stripped, "\x1b["+string(s)+"m") {
			t.Errorf("style %s is missing in %q", s, coloured.String())
		}
		stripped = strings.ReplaceAll(stripped, "\x1b["+string(s)+"m", "")
	}
	if stripped = strings.ReplaceAll(stripped, "\x1b[0m", ""); stripped != plain.String() {
		t.Errorf("with colours:\n%q\nwithout:\n%q", stripped, plain.String())
	}
}

func TestNoColours(t *testing.T) {
	var text strings.Builder
	if coloured(&text) {
		t.Error("a builder is taken for a terminal")
	}
}
