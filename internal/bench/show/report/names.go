package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/show/output"
)

// traits are the properties other than the engine in which cells can differ, in
// words. A trait that a cell does not have is "".
var traits = []func(cells.Key) string{
	func(k cells.Key) string { return string(k.Pattern) },
	func(k cells.Key) string { return suffixed(k.Broker, "broker") },
	func(k cells.Key) string { return suffixed(k.Tracker, "tracker") },
	func(k cells.Key) string { return ring(k.Components) },
	func(k cells.Key) string { return pairs(k.Pairs) },
	func(k cells.Key) string { return output.Size(k.PayloadBytes) },
	func(k cells.Key) string { return counted(k.Cores, "core", "cores") },
	func(k cells.Key) string { return load(k.LoadPercent) },
	func(k cells.Key) string { return string(k.Mode) },
	func(k cells.Key) string { return k.Part },
}

func suffixed(name, what string) string {
	if name == "" {
		return ""
	}
	return name + " " + what
}

// ring names a number of components other than the usual two.
func ring(n int) string {
	if n == 0 || n == 2 {
		return ""
	}
	return fmt.Sprintf("ring of %d", n)
}

// pairs names a number of pairs other than the usual one.
func pairs(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf("%d at once", n)
}

func counted(n int, one, many string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func load(percent int) string {
	if percent == 0 {
		return ""
	}
	return fmt.Sprintf("at %d %% of the maximum rate", percent)
}

// name is the name of a cell among others: its engine, and its other traits that
// differ.
type name struct{ Engine, Detail string }

func (n name) String() string {
	if n.Detail == "" {
		return n.Engine
	}
	return n.Engine + ", " + n.Detail
}

// namer returns a function that names cells by the traits that not all of them share.
func namer(list []cell) func(cell) name {
	var differing []func(cells.Key) string
	for _, trait := range traits {
		seen := make(map[string]bool)
		for _, c := range list {
			if !c.Peer { // peers lack most traits
				seen[trait(c.Key)] = true
			}
		}
		if len(seen) > 1 {
			differing = append(differing, trait)
		}
	}
	return func(c cell) name {
		var details []string
		for _, trait := range differing {
			if text := trait(c.Key); text != "" {
				details = append(details, text)
			}
		}
		return name{c.Engine, strings.Join(details, ", ")}
	}
}

// fullName names a cell by all its traits.
func fullName(c cell) name {
	details := []string{output.Workload(c.Key), output.Size(c.PayloadBytes)}
	for _, part := range []string{
		suffixed(c.Broker, "broker"), suffixed(c.Tracker, "tracker"), counted(c.Cores, "core", "cores"),
		load(c.LoadPercent), string(c.Mode), c.Part,
	} {
		if part != "" {
			details = append(details, part)
		}
	}
	return name{c.Engine, strings.Join(details, ", ")}
}

// firsts splits cells into the first of each engine and the others.
func firsts(list []cell) (first, others []cell) {
	var engines []string
	for _, c := range list {
		if slices.Contains(engines, c.Engine) {
			others = append(others, c)
			continue
		}
		engines = append(engines, c.Engine)
		first = append(first, c)
	}
	return first, others
}

// title begins a sentence with a word.
func title(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

func figure(c cell) string { return output.Figure(c.Median, c.Unit) }

func ci(c cell) string { return output.Interval(c.CI95Low, c.CI95High, c.Unit) }

func multiple(c cell) string {
	if c.FloorMultiple == nil {
		return "–"
	}
	return output.Multiple(*c.FloorMultiple)
}
