package bench

import (
	"os/exec"
	"strings"
	"testing"
)

// mayNotImport names the rooms that each room must do without.
var mayNotImport = map[string][]string{"data": {"measure", "show"}, "measure": {"show"}, "show": {"measure"}}

func TestRooms(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		packages := strings.Fields(line)
		of := room(packages[0])
		seen[of] = true
		for _, imported := range packages[1:] {
			for _, other := range mayNotImport[of] {
				if room(imported) == other {
					t.Errorf("%s imports %s", packages[0], imported)
				}
			}
		}
	}
	for of := range mayNotImport {
		if !seen[of] {
			t.Errorf("no package is in the room %s", of)
		}
	}
}

// room is the room that a package is in, or "".
func room(path string) string {
	_, below, found := strings.Cut(path, "/internal/bench/")
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(below, "/")
	return name
}
