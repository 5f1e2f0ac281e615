package hostile_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/hostile"
)

// attackRow is the beginning of a row of the tables of engines: group, attack, bound, outcome.
var attackRow = regexp.MustCompile(`(?m)^\| [\w ]+: [^|]+ \| [^|]+ \| [^|]+ \|`)

// TestDocumented: each table of docs/attacks.md, one for each kind of engine, lists all
// attacks of all groups and no others, and no two attacks have the same name.
func TestDocumented(t *testing.T) {
	document, err := os.ReadFile("../../docs/attacks.md")
	if err != nil {
		t.Fatal(err)
	}
	attacks := map[string]bool{}
	for _, attack := range hostile.Attacks() {
		row := "| " + attack.Group + ": " + attack.Name + " | " + attack.Bound + " | " + attack.End.String() + " |"
		if attacks[row] {
			t.Errorf("two attacks have the row %q", row)
		}
		attacks[row] = true
	}
	tables := 0
	for _, section := range strings.Split(string(document), "\n### ")[1:] {
		engine, text, _ := strings.Cut(section, "\n")
		tables++
		listed := map[string]bool{}
		for _, row := range attackRow.FindAllString(text, -1) {
			if listed[row] {
				t.Errorf("docs/attacks.md, %s: the row %q is there twice", engine, row)
			}
			if !attacks[row] {
				t.Errorf("docs/attacks.md, %s: no attack has the row %q", engine, row)
			}
			listed[row] = true
		}
		for row := range attacks {
			if !listed[row] {
				t.Errorf("docs/attacks.md, %s: there is no row %q: make the table anew", engine, row)
			}
		}
	}
	if tables != 3 {
		t.Errorf("docs/attacks.md has %d tables, want 3: wazero, Wasmtime, wazero's interpreter", tables)
	}
}
