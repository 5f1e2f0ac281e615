// Package plot draws SVG pictures that fit any width: places across are shares of
// the width, places down are pixels, and text and lines keep their size. Colours,
// fonts and line widths are left to a style sheet, by classes.
package plot

import (
	"fmt"
	"html"
	"html/template"
	"strconv"
	"strings"
)

// Plot is a picture that is being drawn. Later drawings cover earlier ones.
type Plot struct {
	class, title, description string
	height                    int
	body                      strings.Builder
}

// Point is a position: X is a share of the width, Y is pixels from the top.
type Point struct{ X, Y float64 }

// New begins a picture. Its height is in pixels. The title and the description
// replace the picture for blind readers.
func New(class string, height int, title, description string) *Plot {
	return &Plot{class: class, height: height, title: title, description: description}
}

// SVG returns the picture as an element of an HTML page, as wide as the style
// sheet makes it.
func (p *Plot) SVG() template.HTML {
	return template.HTML(fmt.Sprintf(`<svg class="%s" role="img" width="100%%" height="%d"><title>%s</title><desc>%s</desc>%s</svg>`,
		html.EscapeString(p.class), p.height, html.EscapeString(p.title), html.EscapeString(p.description), p.body.String()))
}

// Inner returns the picture as an element within another SVG picture, at a place
// and of a width in pixels.
func (p *Plot) Inner(x, y, width int) string {
	return fmt.Sprintf(`<svg class="%s" x="%d" y="%d" width="%d" height="%d">%s</svg>`,
		html.EscapeString(p.class), x, y, width, p.height, p.body.String())
}

// Rect draws a rectangle between two places.
func (p *Plot) Rect(class string, from, to Point) {
	p.add(`<rect class="%s" x="%s%%" y="%s" width="%s%%" height="%s"/>`,
		html.EscapeString(class), share(from.X), pixels(from.Y), share(to.X-from.X), pixels(to.Y-from.Y))
}

// Line draws a straight line.
func (p *Plot) Line(class string, from, to Point) {
	p.add(`<line class="%s" x1="%s%%" y1="%s" x2="%s%%" y2="%s"/>`,
		html.EscapeString(class), share(from.X), pixels(from.Y), share(to.X), pixels(to.Y))
}

// Anchor is the part of a text that is at its position.
type Anchor string

// The anchors.
const (
	Start  Anchor = "start"
	Middle Anchor = "middle"
	End    Anchor = "end"
)

// Text writes a line of text with its base line at a position, dx pixels to the right
// of it.
func (p *Plot) Text(class string, anchor Anchor, at Point, dx float64, text string) {
	p.add(`<text class="%s" text-anchor="%s" x="%s%%" y="%s" dx="%s">%s</text>`,
		html.EscapeString(class), anchor, share(at.X), pixels(at.Y), pixels(dx), html.EscapeString(text))
}

// Label writes a line of text in the middle of a place, or beside it where the
// picture's edge would cut it.
func (p *Plot) Label(class string, at Point, text string) {
	anchor := Middle
	switch {
	case at.X < 0.1:
		anchor = Start
	case at.X > 0.9:
		anchor = End
	}
	p.Text(class, anchor, at, 0, text)
}

// Curve draws straight lines from point to point.
func (p *Plot) Curve(class string, points []Point) { p.stretched(class, outline(points)) }

// Area fills the inside of the points.
func (p *Plot) Area(class string, points []Point) { p.stretched(class, outline(points)+"z") }

// Dots draws a round dot at each point, as wide as the style sheet's line width.
func (p *Plot) Dots(class string, points []Point) {
	var path strings.Builder
	for _, point := range points {
		fmt.Fprintf(&path, "M%s %sh0", stretch(point.X), pixels(point.Y))
	}
	p.stretched(class, path.String())
}

func outline(points []Point) string {
	var path strings.Builder
	command := "M"
	for _, point := range points {
		fmt.Fprintf(&path, "%s%s %s", command, stretch(point.X), pixels(point.Y))
		command = "L"
	}
	return path.String()
}

// across is the width of stretched paths in their own units, since they can have no
// shares: fine enough for a wide screen.
const across = 2000

func stretch(x float64) string { return pixels(x * across) }

func (p *Plot) stretched(class, path string) {
	if path == "" || path == "z" {
		return
	}
	p.add(`<svg class="stretched" width="100%%" height="%d" viewBox="0 0 %d %d" preserveAspectRatio="none"><path class="%s" d="%s"/></svg>`,
		p.height, across, p.height, html.EscapeString(class), path)
}

// marks are shapes around their place, so that series differ by more than colour.
var marks = []string{
	"M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z", // circle
	"M-4 -4h8v8h-8z",                         // square
	"M0 -5.5L5 4H-5z",                        // triangle
	"M0 -5.5L5.5 0L0 5.5L-5.5 0z",            // diamond
	"M0 5.5L5 -4H-5z",                        // triangle, upside down
	"M-4.5 -1.5h3v-3h3v3h3v3h-3v3h-3v-3h-3z", // cross
}

// Marks is the number of shapes of marks.
var Marks = len(marks)

// Mark draws a shape at a place: one of [Marks], over again for larger numbers.
func (p *Plot) Mark(class string, shape int, at Point) {
	p.add(`<svg class="mark" x="%s%%" y="%s"><path class="%s" d="%s"/></svg>`,
		share(at.X), pixels(at.Y), html.EscapeString(class), marks[shape%len(marks)])
}

// Swatch returns a small picture of a series' line and mark, for a legend.
func Swatch(class string, shape int) template.HTML {
	p := Plot{class: "swatch", height: 14}
	p.Line("series "+class, Point{0, 7}, Point{1, 7})
	p.Mark("mark-fill "+class, shape, Point{0.5, 7})
	return template.HTML(fmt.Sprintf(`<svg class="swatch" aria-hidden="true" width="34" height="14">%s</svg>`, p.body.String()))
}

func (p *Plot) add(format string, arguments ...any) { fmt.Fprintf(&p.body, format, arguments...) }

func share(x float64) string { return round(100*x, 2) }

func pixels(y float64) string { return round(y, 1) }

// round prints x with at most so many decimals.
func round(x float64, decimals int) string {
	text := strconv.FormatFloat(x, 'f', decimals, 64)
	text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	if text == "-0" {
		return "0"
	}
	return text
}
