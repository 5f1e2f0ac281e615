package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/airhost/airhost/internal/config"
)

// column is a column of the table of components: one kind of grants.
type column struct {
	title  string
	always bool // else only if a component has something in it
	none   string
	of     func(config.Component) []string
}

var grantColumns = []column{
	{"SENDS TO", true, "nobody", func(c config.Component) []string { return texts(c.Capabilities.Send) }},
	{"REQUESTS FROM", true, "nobody", func(c config.Component) []string { return texts(c.Capabilities.Request) }},
	{"CALLS", true, "nothing", func(c config.Component) []string { return texts(c.Capabilities.Call) }},
	{"PUBLISHES ON", false, "nothing", func(c config.Component) []string { return texts(c.Capabilities.Publish) }},
	{"SUBSCRIBES TO", false, "nothing", func(c config.Component) []string { return texts(c.Subscribe) }},
	{"BUCKETS", false, "none", func(c config.Component) []string { return c.Capabilities.KeyValue }},
	{"REACHES", false, "nothing", func(c config.Component) []string { return c.Capabilities.HTTP }},
	{"DIRECTORIES", false, "none", func(c config.Component) []string { return texts(c.Capabilities.Files) }},
	{"SECRETS", false, "none", func(c config.Component) []string { return slices.Sorted(maps.Keys(c.Secrets)) }},
}

// checked prints a line for each component and returns all mistakes.
func (p *program) checked(c *checker) error {
	var all config.Mistakes
	shown := slices.DeleteFunc(slices.Clone(grantColumns), func(col column) bool {
		return !col.always && !slices.ContainsFunc(c.file.Components, func(of config.Component) bool { return len(col.of(of)) > 0 })
	})
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "COMPONENT\tENGINE\tSOURCE\t")
	for _, col := range shown {
		fmt.Fprint(table, col.title, "\t")
	}
	fmt.Fprintln(table, "RESULT")
	for i, component := range c.file.Components {
		fmt.Fprintf(table, "%s\t%s\t%s\t", component.ID, component.Engine, printable(component.Source))
		for _, col := range shown {
			fmt.Fprint(table, col.cell(component), "\t")
		}
		fmt.Fprintln(table, c.result(i))
		all = append(all, c.found[i]...)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(all) > 0 {
		return all
	}
	return nil
}

func (c column) cell(of config.Component) string {
	has := c.of(of)
	if len(has) == 0 {
		return c.none
	}
	safe := make([]string, len(has))
	for i, text := range has {
		safe[i] = printable(text)
	}
	return strings.Join(safe, " ")
}

func texts[T fmt.Stringer](of []T) []string {
	all := make([]string, len(of))
	for i, one := range of {
		all[i] = one.String()
	}
	return all
}
