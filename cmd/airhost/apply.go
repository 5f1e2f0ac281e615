package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/admin"
)

func (p *program) applyCommand() *cobra.Command {
	o, dry := &operation{program: p}, false
	command := o.command(&cobra.Command{
		Use:   "apply [FILE]",
		Short: "Make a running host run what the file says now",
		Long: `apply compares a configuration file with what a host runs, shows the difference, and
makes it: components are added (+), replaced or updated (~), and removed (-). All is
checked and compiled before anything changes; a file with mistakes changes nothing.
A component whose new version does not start runs on as before. What the file does
not change is not touched. Progress goes to standard error.

FILE is read on the machine of the host. Without FILE, and with --host, the host
applies the file that it was started with.` + hostHelp + `

The exit code is 0 when all was done or nothing differs, 1 when a change failed, and
2 for mistakes in the file.`,
		Example: `  airhost apply airhost.yaml --dry-run
  airhost apply airhost.yaml
  airhost apply new.yaml --host /run/airhost/shop.sock --output json`,
		Args:              noArguments,
		ValidArgsFunction: completeFile,
	}, []string{formatText, formatJSON}, func(ctx context.Context, _ []string) error { return o.apply(ctx, dry) })
	command.Flags().BoolVar(&dry, "dry-run", false, "check the file and show the difference, and change nothing")
	return command
}

func (o *operation) apply(ctx context.Context, dry bool) error {
	request := admin.ApplyRequest{DryRun: dry}
	if o.file != "" {
		path, err := filepath.Abs(o.file)
		if err != nil {
			return err
		}
		request.File = path
	}
	applied, err := o.client.Apply(ctx, request, o.tellProgress)
	if err != nil {
		return err
	}
	for _, m := range applied.Warnings {
		fmt.Fprintln(o.stderr, "warning: "+m.String())
	}
	if o.output == formatJSON {
		err = o.writeJSON(applied)
	} else {
		err = o.writeText(differenceText(applied, coloured(o.stdout)))
	}
	if err == nil && len(applied.Failed()) > 0 {
		return errReported
	}
	return err
}

// tellProgress writes a step of a change to standard error. The reason of a failure follows with the
// result.
func (o *operation) tellProgress(step admin.Progress) {
	text := step.ID + ": " + step.Step
	if step.Host != "" {
		text += " to " + step.Host
	}
	if step.Seconds >= 0.001 {
		text += " in " + seconds(step.Seconds)
	}
	fmt.Fprintln(o.stderr, printable(text))
}

// The colours of a difference, as terminals know them.
const (
	red, green, yellow, plain = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"
)

// signs are those of the actions of a change.
var signs = map[string]struct{ sign, colour string }{
	"add": {"+", green}, "replace": {"~", yellow}, "update": {"~", yellow}, "remove": {"-", red},
}

// differenceText writes changes for a reader.
func differenceText(a *admin.Applied, colours bool) string {
	if len(a.Changes) == 0 {
		return "nothing differs\n"
	}
	var b strings.Builder
	line := func(colour, text string) {
		if colours {
			text = colour + text + plain
		}
		b.WriteString(text + "\n")
	}
	for _, c := range a.Changes {
		s := signs[c.Action]
		head := s.sign + " " + printable(c.ID)
		if s.sign == "~" {
			head += "  " + c.Action
		}
		line(s.colour, head)
		if s.sign == "~" { // of others, all keys differ
			for _, d := range c.Differences {
				b.WriteString("    " + differenceLine(d) + "\n")
			}
		}
		if c.Error != "" {
			line(red, "    failed: "+printable(c.Error))
		}
	}
	return b.String()
}

func differenceLine(d admin.Difference) string {
	if d.Old == hiddenValue && d.New == hiddenValue {
		return printable(d.Path) + ": changes; the values are not shown"
	}
	none := func(text string) string {
		if text == "" || text == "-" {
			return "(none)"
		}
		return printable(text)
	}
	return printable(d.Path) + ": " + none(d.Old) + " → " + none(d.New)
}

// hiddenValue stands for a value that may be a secret.
const hiddenValue = "…"

// coloured reports whether text for a stream may have colours: a terminal whose user has not
// set NO_COLOR.
func coloured(stream any) bool { return isTerminal(stream) && os.Getenv("NO_COLOR") == "" }
