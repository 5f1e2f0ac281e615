package report

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/show/output"
)

// ErrNoTargets is the error of a headline of runs without a figure that has a
// target.
var ErrNoTargets = errors.New("none of the cells has a target: measure latency with 64 bytes")

// Positions in the headline, in pixels.
const (
	headlineWidth = 720
	headlineInset = 24
	panelHead     = 58 // title and axis of a pattern
	panelRow      = 58 // an engine: a line of text and its strip
	panelGap      = 18
)

// Headline writes the figures on top of the page, the first cell of each engine
// against its targets, as an SVG file of its own. It follows the reader's choice of
// light or dark colours. Runs without any targets are [ErrNoTargets].
func Headline(w io.Writer, runs ...Run) error {
	if len(runs) == 0 {
		return ErrNoRuns
	}
	m := merge(runs)
	var body strings.Builder
	y := headlineInset
	for _, pattern := range cells.Patterns() {
		list, _ := firsts(m.where(func(c cell) bool { return c.Pattern == pattern && c.Target != nil }))
		if len(list) > 0 {
			y = drawPanel(&body, pattern, list, y) + panelGap
		}
	}
	if body.Len() == 0 {
		return ErrNoTargets
	}
	height := y + 30
	writeText(&body, "soft", "start", headlineInset, y+8,
		"left end: the floor, what the engine alone needs · line: 95 % interval · dashed: target")
	var file bytes.Buffer
	fmt.Fprintf(&file, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img"><title>What a message costs: figures against their targets</title><desc>%s</desc><style>%s</style><rect class="page" width="%d" height="%d" rx="12"/>%s</svg>`+"\n",
		headlineWidth, height, headlineWidth, height, html.EscapeString(strings.Join(m.summary(), " ")), asset("assets/headline.css"), headlineWidth, height, body.String())
	_, err := w.Write(file.Bytes())
	return err
}

func drawPanel(body *strings.Builder, pattern cells.Pattern, list []cell, y int) (bottom int) {
	inner := headlineWidth - 2*headlineInset
	a := targetAxis(list)
	writeText(body, "title", "start", headlineInset, y+16, title(string(pattern)))
	writeText(body, "soft", "end", headlineInset+inner, y+16, "share of the target")
	body.WriteString(a.plot("").Inner(headlineInset, y+30, inner))
	y += panelHead - 8
	for _, c := range list {
		v := verdictOf(c.Figures)
		fmt.Fprintf(body, `<text class="name" x="%d" y="%d">%s <tspan class="figure">%s</tspan> <tspan class="soft">%s × floor</tspan></text>`,
			headlineInset, y+18, html.EscapeString(c.Engine), html.EscapeString(figure(c)), strings.TrimSuffix(multiple(c), " ×"))
		writeText(body, v.Class, "end", headlineInset+inner, y+18,
			fmt.Sprintf("%s %s, %s %s", v.Sign, v.Word, v.Off, output.Figure(*c.Target, c.Unit)))
		strip := a.strip("", "")
		a.drawVerdict(strip, c, v)
		body.WriteString(strip.Inner(headlineInset, y+26, inner))
		y += panelRow
	}
	return y
}

func writeText(body *strings.Builder, class, anchor string, x, y int, text string) {
	fmt.Fprintf(body, `<text class="%s" text-anchor="%s" x="%d" y="%d">%s</text>`, class, anchor, x, y, html.EscapeString(text))
}
