package report

import (
	"strconv"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/show/output"
)

// table is a plain table, which the page's script can sort.
type table struct {
	Caption    string
	Head       []head
	Rows       [][]field
	Filterable bool
}

type head struct {
	Text string
	Kind kind
}

// kind is the kind of a column: the class of its head in the style sheet.
type kind string

const (
	narrow kind = ""
	right  kind = "number"
	wide   kind = "wide" // holds sentences
)

// field is a text, and its key for sorting, or "".
type field struct{ Text, Sort string }

func text(s string) field { return field{Text: s} }

func number(text string, v float64) field {
	return field{text, strconv.FormatFloat(v, 'g', 8, 64)}
}

func lower(s string) string { return strings.ToLower(s[:1]) + s[1:] }

func names(all []series) string {
	var list []string
	for _, s := range all {
		list = append(list, s.name)
	}
	return strings.Join(list, "; ")
}

func unitName(unit string) string {
	switch unit {
	case cells.UnitNanoseconds:
		return "time for one operation"
	case cells.UnitPerSecond:
		return "messages a second"
	case cells.UnitBytes:
		return "memory"
	}
	return unit
}

// warningsOf are the kinds of the cells' warnings. The table behind the figure has
// the warnings of each cell.
func warningsOf(list []cell) []string {
	var all []string
	for _, c := range list {
		all = append(all, c.Warnings...)
	}
	return output.Kinds(all)
}

func warningField(c cell) field { return text(strings.Join(c.Warnings, "; ")) }
