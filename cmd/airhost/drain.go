package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/admin"
)

func (p *program) drainCommand() *cobra.Command {
	o, undo, timeout := &operation{program: p}, false, time.Duration(0)
	command := o.command(&cobra.Command{
		Use:   "drain [FILE]",
		Short: "Give a host's components to the other hosts of its cluster",
		Long: `drain moves the components with "place: any" that a running host has to other hosts
of its cluster, with their state, their timers and their waiting messages, and keeps
it from taking others. Then the host can be stopped, and no message is lost. What has
"place: here" stays until it is stopped. Progress goes to standard error.

A component that cannot move goes on where it is. With --undo, or when it is started
again, the host takes components again.` + hostHelp + `

The exit code is 0 when all have moved, and 1 when one could not, or when the time of
--timeout is over.`,
		Example: `  airhost drain airhost.yaml
  airhost drain airhost.yaml --timeout 2m
  airhost drain airhost.yaml --undo`,
		Args:              noArguments,
		ValidArgsFunction: completeFile,
	}, []string{formatText, formatJSON}, func(ctx context.Context, _ []string) error { return o.drain(ctx, undo, timeout) })
	command.Flags().BoolVar(&undo, "undo", false, "have the host take components again")
	command.Flags().DurationVar(&timeout, "timeout", 0, "begin to move no other component after this time (default: no limit)")
	return command
}

func (o *operation) drain(ctx context.Context, undo bool, timeout time.Duration) error {
	if timeout < 0 {
		return wrongUse{fmt.Errorf("--timeout is %v, want a time above 0", timeout)}
	}
	within, cancel := ctx, context.CancelFunc(func() {})
	if timeout > 0 {
		within, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	drained, err := o.client.Drain(within, admin.DrainRequest{Undo: undo}, o.tellProgress)
	if err != nil && ctx.Err() == nil && errors.Is(within.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("not all components have moved within %v: those that are left go on on the host, which takes no others; drain again, or use --undo", timeout)
	}
	if err != nil {
		return err
	}
	if o.output == formatJSON {
		err = o.writeJSON(drained)
	} else {
		err = o.writeText(drainedText(drained))
	}
	if err == nil && len(drained.Failed()) > 0 {
		return errReported
	}
	return err
}

func drainedText(d *admin.Drained) string {
	if d.Undone {
		return "the host takes components again\n"
	}
	var b strings.Builder
	failed := d.Failed()
	for _, c := range failed {
		fmt.Fprintf(&b, "%s goes on here: %s\n", printable(c.ID), printable(c.Error))
	}
	fmt.Fprintf(&b, "%s moved to other hosts", components(len(d.Moved)-len(failed)))
	if len(failed) > 0 {
		fmt.Fprintf(&b, ", %d could not", len(failed))
	}
	if d.Here > 0 {
		fmt.Fprintf(&b, "; %s with place: here until the host is stopped", components(d.Here))
	}
	if len(failed) == 0 {
		b.WriteString("; the host can be stopped")
	}
	return b.String() + "\n"
}

func components(n int) string {
	if n == 1 {
		return "1 component"
	}
	return fmt.Sprintf("%d components", n)
}
