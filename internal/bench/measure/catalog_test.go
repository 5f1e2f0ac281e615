package measure

import (
	"testing"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

func TestModesHaveLoops(t *testing.T) {
	for _, mode := range cells.Modes() {
		if _, err := opener(mode); err != nil {
			t.Error(err)
		}
	}
	for _, loop := range []cells.Loop{"", "in circles"} {
		if _, err := opener(cells.Mode{Name: "new", Loop: loop}); err == nil {
			t.Errorf("loop %q: got no error", loop)
		}
	}
}
