package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/admin"
)

// lastFollowed is how many entries come first when a command follows a stream.
const lastFollowed = 10

// streamFlags are the flags of events and logs.
type streamFlags struct {
	follow bool
	last   int
	level  string // of logs
}

func (s *streamFlags) add(c *cobra.Command, entries string) {
	c.Flags().BoolVarP(&s.follow, "follow", "f", false, "go on with the "+entries+" that come, until an interrupt")
	c.Flags().IntVar(&s.last, "last", 0, fmt.Sprintf("how many of the %s that the host has kept (default: all, with -f %d)", entries, lastFollowed))
}

// stream returns the selection of entries. The error is wrong usage.
func (s *streamFlags) stream(c *cobra.Command) (admin.Stream, error) {
	all := admin.Stream{Follow: s.follow, Last: s.last, Level: s.level}
	switch {
	case s.last < 0:
		return all, wrongUse{fmt.Errorf("--last is %d, want 0 or more", s.last)}
	case s.level != "" && !slices.Contains(levelNames, s.level):
		return all, wrongUse{fmt.Errorf("--level is %q, want %s", s.level, strings.Join(levelNames, ", "))}
	case c.Flags().Changed("last"):
	case s.follow:
		all.Last = lastFollowed
	default:
		all.Last = -1
	}
	return all, nil
}

func (p *program) eventsCommand() *cobra.Command {
	o, flags := &operation{program: p}, &streamFlags{}
	command := &cobra.Command{
		Use:   "events [FILE] [ID]",
		Short: "Show what happens to the components of a running host",
		Long: `events shows the last changes of the components' states, or of one component's:
deployed, restarted, replaced, failed and so on, and why; and those of the cluster:
connected, disconnected, host-seen and host-gone. With -f it goes on until an
interrupt, which is exit code 0; if the host stops before, it is 1.
With --output json it writes an object a line.` + hostHelp,
		Example:           "  airhost events airhost.yaml -f\n  airhost events airhost.yaml --last 20 --output json",
		Args:              upTo("ID"),
		ValidArgsFunction: o.completeIDs(0),
	}
	flags.add(command, "events")
	return o.command(command, []string{formatText, formatJSON}, func(ctx context.Context, args []string) error {
		return streamTo(ctx, o, flags, command, args, o.client.Events, o.writeEvent)
	})
}

func (p *program) logsCommand() *cobra.Command {
	o, flags := &operation{program: p}, &streamFlags{}
	command := &cobra.Command{
		Use:   "logs [FILE] [ID]",
		Short: "Show the log of a running host, or of one component",
		Long: `logs shows the last lines of a running host's log, or of those that are about the
component ID or that it wrote. With -f it goes on until an interrupt, which is exit
code 0; if the host stops before, it is 1.
With --output json it writes an object a line. A line below the host's level is not
there; airhost log-level changes that.` + hostHelp,
		Example:           "  airhost logs airhost.yaml -f\n  airhost logs airhost.yaml shop/orders --level warn --last 100",
		Args:              upTo("ID"),
		ValidArgsFunction: o.completeIDs(0),
	}
	flags.add(command, "lines")
	command.Flags().StringVar(&flags.level, "level", "", "the least level: trace, debug, info, warn or error (default: all that the host logs)")
	complete(command, "level", levelNames...)
	return o.command(command, []string{formatText, formatJSON}, func(ctx context.Context, args []string) error {
		return streamTo(ctx, o, flags, command, args, o.client.Logs, o.writeLog)
	})
}

// streamTo writes the entries that the flags select, of all components or of that in args. An id that
// the host does not have is a mistake, unless there are entries of a component that it had, or there
// may be some later.
func streamTo[T any](ctx context.Context, o *operation, flags *streamFlags, command *cobra.Command, args []string,
	entries func(context.Context, admin.Stream) iter.Seq2[T, error], write func(T) error) error {
	selected, err := flags.stream(command)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return follow(ctx, selected, entries(ctx, selected), write)
	}
	if selected.Component, err = parseID(args[0]); err != nil {
		return err
	}
	all, err := o.client.Components(ctx)
	if err != nil {
		return err
	}
	unknown := hasTarget(idsOf(all), "the host at "+o.client.Address(), selected.Component.String())
	if unknown != nil && selected.Follow {
		fmt.Fprintln(o.stderr, "airhost:", unknown)
	}
	n := 0
	err = follow(ctx, selected, entries(ctx, selected), func(e T) error { n++; return write(e) })
	if err == nil && n == 0 && !selected.Follow {
		return unknown
	}
	return err
}

// follow writes the entries of a stream until it ends, or until an interrupt.
func follow[T any](ctx context.Context, selected admin.Stream, entries iter.Seq2[T, error], write func(T) error) error {
	for entry, err := range entries {
		if err == nil {
			err = write(entry)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	switch {
	case !selected.Follow:
		return stopped(ctx, "reading")
	case ctx.Err() != nil:
		return nil // the user has seen enough
	}
	return errors.New("the host has ended the stream: it is stopping")
}

func (o *operation) missed(n uint64, entries string) {
	if n > 0 {
		fmt.Fprintf(o.stderr, "airhost: %d %s are missing here: they came faster than this command reads\n", n, entries)
	}
}

func (o *operation) writeEvent(e admin.Event) error {
	if o.output == formatJSON {
		return o.encoder().Encode(e)
	}
	o.missed(e.Missed, "events")
	about := e.Component
	if about == "" {
		about = "host " + e.Host
	}
	text := fmt.Sprintf("%s  %-12s  %s", timeText(e.Time), printable(e.Kind), printable(about))
	for _, more := range []string{e.Health, e.Reason} {
		if more != "" {
			text += ": " + printable(more)
		}
	}
	if e.Required {
		text += " (the host needs it)"
	}
	return o.writeText(text + "\n")
}

func (o *operation) writeLog(l admin.LogEntry) error {
	if o.output == formatJSON {
		return o.encoder().Encode(l)
	}
	o.missed(l.Missed, "lines")
	text := fmt.Sprintf("%s  %-5s  %s", timeText(l.Time), strings.ToUpper(l.Level), printable(l.Message))
	if l.Component != "" {
		text += "  component=" + printable(l.Component)
	}
	for _, key := range slices.Sorted(maps.Keys(l.Attrs)) {
		text += " " + printable(key) + "=" + attrText(l.Attrs[key])
	}
	return o.writeText(text + "\n")
}

// attrText writes the value of an attribute as slog does: in quotes where it has to be.
func attrText(value any) string {
	text, ok := value.(string)
	if !ok {
		encoded, err := json.Marshal(value)
		if err != nil {
			return "?" // it came as JSON
		}
		text = string(encoded)
		return printable(text)
	}
	if text == "" || strings.ContainsAny(text, " =\"") {
		return strconv.Quote(text)
	}
	return printable(text)
}
