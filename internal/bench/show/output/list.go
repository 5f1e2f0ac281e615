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
func List(w io.Writer, all []Listed) error {
	g := grid{header: []column{
		{"engine", false}, {"broker", false}, {"tracker", false}, {"pattern", false},
		{"payload", true}, {"mode", false}, {"status", false},
	}}
	for _, cell := range all {
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

// dimension is a part of a cell's name.
type dimension struct {
	name string
	of   func(cells.Key) string
}

// dimensions are the parts that [Overview] counts cells by.
var dimensions = []dimension{
	{"engine", func(k cells.Key) string { return k.Engine }},
	{"broker", func(k cells.Key) string { return k.Broker }},
	{"tracker", func(k cells.Key) string { return k.Tracker }},
	{"pattern", func(k cells.Key) string { return string(k.Pattern) }},
	{"mode", func(k cells.Key) string { return string(k.Mode) }},
}

// Overview prints how many cells there are of each value of each dimension, how many
// of them can be measured, and why others cannot.
func Overview(w io.Writer, all []Listed) error {
	g := grid{header: []column{{"flag", false}, {"value", false}, {"cells", true}, {"can be measured", true}}}
	for _, d := range dimensions {
		name := "--" + d.name
		for _, t := range tallied(all, func(l Listed) string { return d.of(l.Key) }) {
			g.rows = append(g.rows, texts(name, cmp.Or(t.value, "- (none)"), fmt.Sprint(t.cells), fmt.Sprint(t.measurable)))
			name = ""
		}
	}
	var text strings.Builder
	g.print(&text, coloured(w))
	reasons := grid{header: []column{{"left out", true}, {"because", false}}}
	measurable := 0
	for _, t := range tallied(all, func(l Listed) string { return l.Reason }) {
		if t.value == "" {
			measurable = t.cells
			continue
		}
		reasons.rows = append(reasons.rows, texts(fmt.Sprint(t.cells), t.value))
	}
	if len(reasons.rows) > 0 {
		text.WriteByte('\n')
		reasons.print(&text, coloured(w))
	}
	fmt.Fprintf(&text, "\n%d cells, of which this build can measure %d. With --all each is named; so are those that other flags choose.\n", len(all), measurable)
	_, err := io.WriteString(w, text.String())
	return err
}

// tally is the number of cells with a value.
type tally struct {
	value             string
	cells, measurable int
}

// tallied counts cells by a value, in the order of first appearance.
func tallied(all []Listed, of func(Listed) string) []tally {
	var tallies []tally
	place := make(map[string]int)
	for _, l := range all {
		value := of(l)
		i, ok := place[value]
		if !ok {
			i = len(tallies)
			place[value] = i
			tallies = append(tallies, tally{value: value})
		}
		tallies[i].cells++
		if l.Reason == "" {
			tallies[i].measurable++
		}
	}
	return tallies
}
