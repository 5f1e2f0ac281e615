package report

import (
	"testing"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

func TestModesHaveFigures(t *testing.T) {
	ids := make(map[string]bool)
	for _, mode := range cells.Modes() {
		sections, err := machine{}.modeSections(mode)
		if err != nil {
			t.Error(err)
		}
		for _, s := range sections {
			if ids[s.ID] || s.Title == "" || s.Lead == "" {
				t.Errorf("mode %s: section %q is there twice, or has no title or lead", mode.Name, s.ID)
			}
			ids[s.ID] = true
		}
	}
	drawn := cells.Section{ID: "new", Title: "New", Figures: []cells.Figure{"scaling", "landscape"}}
	if _, err := (machine{}).modeSections(cells.Mode{Name: "new", Sections: []cells.Section{drawn}}); err == nil {
		t.Error("a figure that does not exist: got no error")
	}
}
