package output

import (
	"io"
	"strings"

	"github.com/airhost/airhost/internal/bench/result"
)

// Listed is a cell as `list` names it: Reason says why it cannot be measured,
// or is "".
type Listed struct {
	Key    result.Key
	Reason string
}

// List prints cells, one a line, each with whether it can be measured.
func List(w io.Writer, cells []Listed) error {
	t := table{header: []column{
		{"engine", false}, {"broker", false}, {"tracker", false}, {"pattern", false},
		{"payload", true}, {"mode", false}, {"status", false},
	}}
	for _, cell := range cells {
		status := "can be measured"
		if cell.Reason != "" {
			status = "left out: " + cell.Reason
		}
		key := cell.Key
		t.rows = append(t.rows, []string{
			key.Engine, key.Broker, key.Tracker, Workload(key), Size(key.PayloadBytes), string(key.Mode), status,
		})
	}
	var text strings.Builder
	t.print(&text)
	_, err := io.WriteString(w, text.String())
	return err
}
