package hostile_test

import (
	"os"
	"strings"
	"testing"

	"github.com/airhost/airhost/internal/hostile"
)

// TestDocumented: docs/attacks.md lists all attacks, and no two have the same name.
func TestDocumented(t *testing.T) {
	document, err := os.ReadFile("../../docs/attacks.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, attack := range hostile.Attacks() {
		row := "| " + attack.Group + ": " + attack.Name + " | " + attack.Bound + " | " + attack.End.String() + " |"
		if !strings.Contains(string(document), row) {
			t.Errorf("docs/attacks.md has no row %q: make the table anew", row)
		}
		if seen[row] {
			t.Errorf("two attacks have the row %q", row)
		}
		seen[row] = true
	}
}
