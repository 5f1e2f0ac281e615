package output

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
)

// Listed is a cell for `list`. Reason is the reason why it cannot be measured, or "".
type Listed struct {
	Key    cells.Key
	Reason string
}

// List prints cells, one a line, each with whether it can be measured.
func List(w io.Writer, cells []Listed) error {
	g := grid{header: []column{
		{"engine", false}, {"broker", false}, {"tracker", false}, {"pattern", false},
		{"payload", true}, {"mode", false}, {"status", false},
	}}
	for _, cell := range cells {
		status := "can be measured"
		if cell.Reason != "" {
			status = "left out: " + cell.Reason
		}
		key := cell.Key
		g.rows = append(g.rows, texts(
			key.Engine, cmp.Or(key.Broker, "-"), cmp.Or(key.Tracker, "-"), Workload(key), Size(key.PayloadBytes), modeOf(key), status,
		))
	}
	var text strings.Builder
	g.print(&text, coloured(w))
	_, err := io.WriteString(w, text.String())
	return err
}

// modeOf names a cell's mode, and its values of the fields that only some modes have.
func modeOf(key cells.Key) string {
	text := string(key.Mode)
	if key.Cores > 0 {
		text += fmt.Sprintf(", cores: %d", key.Cores)
	}
	if key.LoadPercent > 0 {
		text += fmt.Sprintf(", %d %% of the maximum rate", key.LoadPercent)
	}
	if key.Part != "" {
		text += ", " + key.Part
	}
	return text
}
