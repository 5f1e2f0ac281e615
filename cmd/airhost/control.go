package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
)

func (p *program) restartCommand() *cobra.Command {
	o := &operation{program: p}
	return o.ofComponent(&cobra.Command{
		Use:   "restart [FILE] ID",
		Short: "Restart a component of a running host",
		Long: `restart makes fresh instances of a component, also of one that has failed or that
could not be deployed. Its messages wait meanwhile.` + hostHelp,
		Example: "  airhost restart airhost.yaml shop/orders\n  AIRHOST_HOST=/run/airhost/shop.sock airhost restart shop/orders",
	}, "restarted", func(ctx context.Context, id core.ComponentID) error { return o.client.Restart(ctx, id) })
}

func (p *program) undeployCommand() *cobra.Command {
	o := &operation{program: p}
	return o.ofComponent(&cobra.Command{
		Use:   "undeploy [FILE] ID",
		Short: "Remove a component from a running host",
		Long: `undeploy ends a component and removes it. A component that its file still has comes
back with the next airhost apply.` + hostHelp,
		Example: "  airhost undeploy airhost.yaml shop/orders\n  airhost undeploy --host /run/airhost/shop.sock shop/orders",
	}, "undeployed", func(ctx context.Context, id core.ComponentID) error { return o.client.Undeploy(ctx, id) })
}

// ofComponent makes a command that does one thing with a component, and then says that it is
// done.
func (o *operation) ofComponent(c *cobra.Command, done string, do func(context.Context, core.ComponentID) error) *cobra.Command {
	c.Args = arguments("ID")
	c.ValidArgsFunction = o.completeIDs(0)
	return o.command(c, []string{formatText, formatJSON}, func(ctx context.Context, args []string) error {
		id, err := parseID(args[0])
		if err != nil {
			return err
		}
		if err := do(ctx, id); err != nil {
			return o.ofID(ctx, id, err)
		}
		if o.output == formatJSON {
			return o.writeJSON(map[string]string{"id": id.String(), "done": done})
		}
		return o.writeText(done + " " + id.String() + "\n")
	})
}

func (p *program) logLevelCommand() *cobra.Command {
	o := &operation{program: p}
	return o.command(&cobra.Command{
		Use:   "log-level [FILE] [LEVEL [ID]]",
		Short: "Show or change the least level that a running host logs",
		Long: `log-level changes the least level that a running host logs, for the host and all
components, or for the component ID alone, until the host ends. LEVEL is trace,
debug, info, warn or error, or default for a component that shall have no level of
its own any more. Without LEVEL it shows the levels.` + hostHelp,
		Example: `  airhost log-level airhost.yaml
  airhost log-level airhost.yaml debug shop/orders
  airhost log-level airhost.yaml default shop/orders`,
		Args:              upTo("LEVEL", "ID"),
		ValidArgsFunction: o.completeLevel,
	}, []string{formatText, formatJSON}, func(ctx context.Context, args []string) error {
		if len(args) > 0 {
			if err := o.setLevel(ctx, args); err != nil {
				return err
			}
		}
		levels, err := o.client.LogLevels(ctx)
		if err != nil {
			return err
		}
		if o.output == formatJSON {
			return o.writeJSON(levels)
		}
		text := "host: " + levels.Level + "\n"
		for _, id := range slices.Sorted(maps.Keys(levels.Components)) {
			text += printable(id) + ": " + levels.Components[id] + "\n"
		}
		return o.writeText(text)
	})
}

const levelDefault = "default"

func (o *operation) setLevel(ctx context.Context, args []string) error {
	level := admin.LogLevel{Level: args[0]}
	known := levelNames
	if len(args) > 1 {
		known = append(slices.Clone(levelNames), levelDefault)
	}
	if !slices.Contains(known, level.Level) {
		return wrongUse{fmt.Errorf("LEVEL is %q, want %s (default is for a component: its ID follows)", level.Level, strings.Join(known, ", "))}
	}
	if len(args) == 1 {
		return o.client.SetLogLevel(ctx, level)
	}
	id, err := parseID(args[1])
	if err != nil {
		return err
	}
	level.Component = id.String()
	return o.ofID(ctx, id, o.client.SetLogLevel(ctx, level))
}

// upTo allows the arguments that a command's use line names, and fewer.
func upTo(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return fmt.Errorf("unexpected argument %q, want at most %s", args[len(names)], strings.Join(names, " and "))
		}
		return nil
	}
}
