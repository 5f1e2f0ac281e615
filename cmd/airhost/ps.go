package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/admin"
)

func (p *program) psCommand() *cobra.Command {
	o, whole := &operation{program: p}, false
	command := &cobra.Command{
		Use:   "ps [FILE]",
		Short: "List the components of a running host",
		Long: `ps lists the components of a running host: their states, instances, waiting
messages, messages in each second, memory and restarts, and why one has failed.
HANDLED are messages whose handler has returned, ERRORS those calls that returned an
error or trapped. MEMORY is - where the engine cannot tell. STORED, which is there if a
component has a durable mailbox, are messages in it that were not handled.

With --cluster it lists all hosts that are joined by NATS as the host sees them, and
the components of each. A host that does not tell its state within a second is there
with the reason.` + hostHelp,
		Example: `  airhost ps airhost.yaml
  airhost ps --host 127.0.0.1:7070 --token-file token
  airhost ps airhost.yaml --cluster
  airhost ps airhost.yaml --output json | jq '.[] | select(.state == "failed") | .id'`,
		Args:              noArguments,
		ValidArgsFunction: completeFile,
	}
	command.Flags().BoolVar(&whole, "cluster", false, "list all hosts of the cluster, with their components")
	return o.command(command, []string{formatTable, formatJSON}, func(ctx context.Context, _ []string) error {
		if whole {
			return o.psCluster(ctx)
		}
		all, err := o.client.Components(ctx)
		if err != nil {
			return err
		}
		if o.output == formatJSON {
			return o.writeJSON(all)
		}
		return o.writeText(componentTable(all).String())
	})
}

// lastErrorWidth is how many characters of a last error a table has; --output json has all.
const lastErrorWidth = 80

// clipped is the first line of a text, with at most so many characters.
func clipped(text string, most int) string {
	first, _, more := strings.Cut(text, "\n")
	if runes := []rune(first); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	if more {
		return first + " …"
	}
	return first
}

func componentTable(all []admin.Component) *table {
	stored := storedOf(all, 5)
	t := newTable(stored.heading("COMPONENT", "ENGINE", "STATE", ">INSTANCES", ">WAITING", ">RATE", ">MEMORY", ">HANDLED", ">ERRORS", ">RESTARTS", "LAST ERROR")...)
	for _, c := range all {
		t.add(stored.cell(c.Durable, c.Stored, c.ID, c.Engine, stateText(c), fmt.Sprint(c.Instances), fmt.Sprint(c.Waiting), rate(c.Rate), some(c.Memory),
			fmt.Sprint(c.Handled), fmt.Sprint(c.Errors), fmt.Sprint(c.Restarts), clipped(c.LastError, lastErrorWidth))...)
	}
	return t
}

// storedColumn is the column of messages in durable mailboxes, which a table has only if a component has
// such a mailbox.
type storedColumn struct {
	shown bool
	at    int // the index in a row that has it
}

// storedOf is the column at an index of rows of these components.
func storedOf(all []admin.Component, at int) storedColumn {
	return storedColumn{slices.ContainsFunc(all, func(c admin.Component) bool { return c.Durable }), at}
}

func (s storedColumn) heading(row ...string) []string { return s.in(">STORED", row) }

// cell returns a row of a component, with its stored messages if they are shown.
func (s storedColumn) cell(durable bool, stored int, row ...string) []string {
	text := "-"
	if durable {
		text = fmt.Sprint(stored)
	}
	return s.in(text, row)
}

func (s storedColumn) in(text string, row []string) []string {
	if !s.shown {
		return row
	}
	return slices.Insert(row, s.at, text)
}

// stateText is a component's state, with its health if that is bad, and the note that the host
// is not ready without it.
func stateText(c admin.Component) string {
	switch {
	case c.State == "elsewhere" && c.Host != "":
		return "on " + printable(c.Host)
	case c.State == "running" && c.Health != "" && c.Health != "healthy":
		return c.State + ", " + c.Health
	case c.State != "running" && c.Required:
		return c.State + ", required"
	}
	return c.State
}
