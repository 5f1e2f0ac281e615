package report

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/data/machines"
	"github.com/airhost/airhost/internal/bench/data/result"
	"github.com/airhost/airhost/internal/bench/show/output"
)

// ErrNoTargets is the error of a headline of runs without a figure that has a
// target.
var ErrNoTargets = errors.New("none of the cells has a target: measure latency with 64 bytes")

// Positions in the headline, in pixels.
const (
	headlineWidth = 760
	headlineInset = 24
	headlineInner = headlineWidth - 2*headlineInset
	panelHead     = 50 // title and axis of a pattern
	panelEngine   = 28 // the name of an engine, and its targets
	panelRow      = 30 // a machine: its name, its strip, and its figures
	panelGap      = 22
	stripLeft     = headlineInset + 216
	stripWidth    = 284
	valuesLeft    = stripLeft + stripWidth + 12
)

// Headline writes the figures on top of the page, the first cell of each engine on each
// machine against its targets, as an SVG file of its own. It follows the reader's choice
// of light or dark colours. Runs without any targets are [ErrNoTargets].
func Headline(w io.Writer, runs ...machines.Run) error {
	if len(runs) == 0 {
		return ErrNoRuns
	}
	p := newPages(runs)
	var body strings.Builder
	y := headlineInset
	for _, pattern := range cells.Patterns() {
		if first, _ := split(p.rows, pattern); len(first) > 0 {
			y = p.drawPanel(&body, pattern, first, y) + panelGap
		}
	}
	if body.Len() == 0 {
		return ErrNoTargets
	}
	lines := []string{
		"Bars: multiples of the floor, which is their left end: what the engine alone needs",
		"Targets: dashed as a multiple, dotted in nanoseconds · ✓ met, ✗ missed, ? undecided",
	}
	for _, m := range p.machines {
		env := m.Environment()
		lines = append(lines, fmt.Sprintf("%s: %s, %s, commit %s, %s", m.Name, counted(env.Cores, "core", "cores"), env.Go, env.Source(), started(env.Started)))
	}
	for _, line := range lines {
		writeText(&body, "soft", "start", headlineInset, y+4, line)
		y += 20
	}
	height := y + 6
	var file bytes.Buffer
	fmt.Fprintf(&file, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img"><title>What a message costs: figures against their targets</title><desc>%s</desc><style>%s</style><rect class="page" width="%d" height="%d" rx="12"/>%s</svg>`+"\n",
		headlineWidth, height, headlineWidth, height, html.EscapeString(strings.Join(p.summary(), " ")), asset("assets/headline.css"), headlineWidth, height, body.String())
	_, err := w.Write(file.Bytes())
	return err
}

func (p pages) drawPanel(body *strings.Builder, pattern cells.Pattern, rows []machines.Row, y int) (bottom int) {
	a := multipleAxis(rows, 4)
	writeText(body, "title", "start", headlineInset, y+16, title(string(pattern)))
	body.WriteString(a.plot("").Inner(stripLeft, y+panelHead-22, stripWidth))
	y += panelHead
	for _, r := range rows {
		fmt.Fprintf(body, `<text class="name" x="%d" y="%d">%s <tspan class="soft">at most %s</tspan></text>`,
			headlineInset, y+18, html.EscapeString(r.Engine), html.EscapeString(output.Aims(r)))
		y += panelEngine
		for i, c := range r.On {
			a.drawMachine(body, p.machines[i].Name, c, y)
			y += panelRow
		}
	}
	return y
}

// drawMachine draws the row of one machine.
func (a axis) drawMachine(body *strings.Builder, name string, c result.Cell, y int) {
	writeText(body, "soft", "start", headlineInset, y+18, name)
	strip := a.strip("", "")
	if c.Figures == nil || c.Floor == nil {
		writeText(body, "soft", "start", valuesLeft, y+18, "not measured")
		body.WriteString(strip.Inner(stripLeft, y, stripWidth))
		return
	}
	a.drawVerdict(strip, c)
	body.WriteString(strip.Inner(stripLeft, y, stripWidth))
	fmt.Fprintf(body, `<text class="figure" x="%d" y="%d">%s %s · %s %s</text>`, valuesLeft, y+18,
		output.Multiple(*c.FloorMultiple), word(c, cells.UnitMultiple), output.Figure(c.Median, c.Unit), word(c, c.Unit))
}

// word is the verdict on the cell's target in a unit, as a part of a text.
func word(c result.Cell, unit string) string {
	for _, g := range c.Goals() {
		if g.Unit == unit {
			return fmt.Sprintf(`<tspan class="%s">%s</tspan>`, output.Word(g.Within), signs[g.Within])
		}
	}
	return ""
}

func writeText(body *strings.Builder, class, anchor string, x, y int, text string) {
	fmt.Fprintf(body, `<text class="%s" text-anchor="%s" x="%d" y="%d">%s</text>`, class, anchor, x, y, html.EscapeString(text))
}
