package output

import (
	"testing"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

func TestModesHaveColumns(t *testing.T) {
	for _, mode := range cells.Modes() {
		if _, err := columnsOf(mode, nil); err != nil {
			t.Error(err)
		}
	}
	if _, err := columnsOf(cells.Mode{Name: "new", Columns: []cells.Column{"engine", "colour"}}, nil); err == nil {
		t.Error("a column that does not exist: got no error")
	}
}
