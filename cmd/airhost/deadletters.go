package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/internal/nearest"
)

const formatRaw = "raw"

func (p *program) deadLettersCommand() *cobra.Command {
	all := []*cobra.Command{p.listLettersCommand("list [FILE]"), p.showLetterCommand(), p.resendCommand(), p.dropCommand()}
	command := p.listLettersCommand("dead-letters [FILE]")
	command.Example = `  airhost dead-letters airhost.yaml
  airhost dead-letters show airhost.yaml 3
  airhost dead-letters resend airhost.yaml --all`
	command.Long = `dead-letters lists, shows, resends and drops the messages that a running host took and
could not hand to their targets. It keeps the newest ones, host.dead_letters of them,
until it ends.` + hostHelp
	command.Short = "List, show, resend or drop messages that were not handled"
	rest := command.Args
	command.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 0 && !isFile(args[0]) {
			return unknownCommand(args[0], []string{"list", "show", "resend", "drop"})
		}
		return rest(c, args)
	}
	command.AddCommand(all...)
	return command
}

func unknownCommand(name string, names []string) error {
	text := fmt.Sprintf("unknown command %q, want %s, or FILE, which ends in .yaml or .yml", name, strings.Join(names, ", "))
	if near := nearest.Of(name, names); near != "" {
		text = fmt.Sprintf("unknown command %q, did you mean %s?", name, near)
	}
	return errors.New(text)
}

func (p *program) listLettersCommand(use string) *cobra.Command {
	o := &operation{program: p}
	return o.command(&cobra.Command{
		Use:               use,
		Short:             "List the dead letters",
		Long:              "list lists the dead letters, the oldest first, with the reasons why they were not\nhandled." + hostHelp,
		Example:           "  airhost dead-letters list airhost.yaml\n  airhost dead-letters list airhost.yaml --output json | jq '.[].number'",
		Args:              noArguments,
		ValidArgsFunction: completeFile,
	}, []string{formatTable, formatJSON}, func(ctx context.Context, _ []string) error {
		letters, err := o.client.DeadLetters(ctx)
		switch {
		case err != nil:
			return err
		case o.output == formatJSON:
			return o.writeJSON(letters)
		case len(letters) == 0:
			return o.writeText("there are no dead letters\n")
		}
		t := newTable(">NUMBER", "TIME", "FROM", "TO", "PATTERN", ">SIZE", "REASON")
		for _, l := range letters {
			t.add(fmt.Sprint(l.Number), timeText(l.Time), l.From, l.To, l.Pattern, bytesText(uint64(max(l.Size, 0))), l.Reason)
		}
		return o.writeText(t.String())
	})
}

func (p *program) showLetterCommand() *cobra.Command {
	o := &operation{program: p}
	return o.command(&cobra.Command{
		Use:   "show [FILE] NUMBER",
		Short: "Show a dead letter with its payload",
		Long: `show shows a dead letter and its payload: as text if it is printable, else as
hexadecimal digits. With --output raw it writes the bytes of the payload alone, and
fails if the host has not kept all of them.` + hostHelp,
		Example: `  airhost dead-letters show airhost.yaml 3
  airhost dead-letters show airhost.yaml 3 --output raw > payload`,
		Args:              arguments("NUMBER"),
		ValidArgsFunction: o.completeLetters,
	}, []string{formatText, formatJSON, formatRaw}, func(ctx context.Context, args []string) error {
		number, err := parseNumber(args[0])
		if err != nil {
			return err
		}
		letter, err := o.client.DeadLetter(ctx, number)
		switch {
		case err != nil:
			return err
		case o.output == formatJSON:
			return o.writeJSON(letter)
		case o.output == formatText:
			return o.writeText(letterText(letter))
		case letter.Redacted:
			return fmt.Errorf("dead letter %d: its payload has secrets, which the host does not show: --output text shows the rest, and resend sends all", number)
		case len(letter.Payload) < letter.Size:
			return fmt.Errorf("dead letter %d: the host has kept only %d of its %d bytes, --output text shows them", number, len(letter.Payload), letter.Size)
		}
		_, err = o.stdout.Write(letter.Payload)
		return err
	})
}

// letterText writes a dead letter for a reader.
func letterText(l *admin.DeadLetter) string {
	var b strings.Builder
	for _, line := range [][2]string{
		{"number", fmt.Sprint(l.Number)}, {"time", timeText(l.Time)}, {"from", l.From}, {"to", l.To},
		{"pattern", l.Pattern}, {"reason", l.Reason}, {"size", bytesText(uint64(max(l.Size, 0)))},
	} {
		fmt.Fprintf(&b, "%-7s  %s\n", line[0], printable(line[1]))
	}
	switch {
	case l.Redacted:
		b.WriteString("secrets  replaced below\n")
	case len(l.Payload) < l.Size:
		fmt.Fprintf(&b, "kept     %s\n", bytesText(uint64(len(l.Payload))))
	}
	b.WriteString("\n" + payloadText(l.Payload))
	return b.String()
}

// payloadText writes bytes as they are if they are printable text, else as a dump.
func payloadText(payload []byte) string {
	text := string(payload)
	odd := func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' && r != '\t' }
	switch {
	case text == "":
		return ""
	case !utf8.ValidString(text) || strings.ContainsFunc(text, odd):
		return hex.Dump(payload)
	case strings.HasSuffix(text, "\n"):
		return text
	}
	return text + "\n"
}

func (p *program) resendCommand() *cobra.Command {
	o, all := &operation{program: p}, false
	return o.onLetters(&cobra.Command{
		Use:   "resend [FILE] NUMBER...",
		Short: "Send dead letters again",
		Long: `resend sends dead letters again, in the name of their senders, and forgets them. One
that its target does not take stays a dead letter, and the exit code is 1. One that
is taken and fails again is a new dead letter, with another number. A request is sent
as a fire-and-forget message: whoever waited for its response has had its end.` + hostHelp,
		Example: "  airhost dead-letters resend airhost.yaml 3 4\n  airhost dead-letters resend airhost.yaml --all",
	}, &all, "resent", func(ctx context.Context, numbers []uint64) (done, error) {
		if all {
			letters, err := o.client.DeadLetters(ctx)
			if err != nil {
				return done{}, err
			}
			for _, l := range letters {
				numbers = append(numbers, l.Number)
			}
		}
		return eachLetter(ctx, numbers, o.client.Resend)
	})
}

func (p *program) dropCommand() *cobra.Command {
	o, all := &operation{program: p}, false
	return o.onLetters(&cobra.Command{
		Use:     "drop [FILE] NUMBER...",
		Short:   "Forget dead letters",
		Long:    "drop makes the host forget dead letters for good." + hostHelp,
		Example: "  airhost dead-letters drop airhost.yaml 3\n  airhost dead-letters drop airhost.yaml --all",
	}, &all, "dropped", func(ctx context.Context, numbers []uint64) (done, error) {
		if all {
			n, err := o.client.DropDeadLetters(ctx)
			return done{Count: n}, err
		}
		return eachLetter(ctx, numbers, o.client.DropDeadLetter)
	})
}

// done says which dead letters a command has handled.
type done struct {
	Count  int            `json:"count"`
	Failed []failedLetter `json:"failed"`
}

type failedLetter struct {
	Number uint64 `json:"number"`
	Error  string `json:"error"`
}

// text is the error with the letter that it is about.
func (f failedLetter) text() string {
	name := fmt.Sprintf("dead letter %d", f.Number)
	if strings.HasPrefix(f.Error, name) {
		return f.Error
	}
	return name + ": " + f.Error
}

// eachLetter does something with each dead letter. An error is one that would meet the others
// too: only a refusal by the host is about one letter.
func eachLetter(ctx context.Context, numbers []uint64, do func(context.Context, uint64) error) (done, error) {
	var d done
	for _, number := range numbers {
		err := do(ctx, number)
		var answered *admin.Error
		switch {
		case err == nil:
			d.Count++
		case errors.As(err, &answered) && answered.Code != admin.CodeUnauthorized:
			d.Failed = append(d.Failed, failedLetter{number, err.Error()})
		default:
			return d, err
		}
	}
	return d, nil
}

// onLetters makes a command for numbers of dead letters, or for all.
func (o *operation) onLetters(c *cobra.Command, all *bool, did string, do func(context.Context, []uint64) (done, error)) *cobra.Command {
	c.Flags().BoolVar(all, "all", false, "all dead letters, without NUMBER")
	c.ValidArgsFunction = o.completeLetters
	c.Args = func(_ *cobra.Command, args []string) error {
		if *all == (len(args) > 0) {
			return errors.New("want the NUMBER of one or more dead letters, or --all")
		}
		return nil
	}
	return o.command(c, []string{formatText, formatJSON}, func(ctx context.Context, args []string) error {
		var numbers []uint64
		for _, text := range args {
			number, err := parseNumber(text)
			if err != nil {
				return err
			}
			numbers = append(numbers, number)
		}
		d, err := do(ctx, numbers)
		if err != nil {
			return err
		}
		return o.printDone(d, did)
	})
}

func (o *operation) printDone(d done, did string) error {
	var err error
	if o.output == formatJSON {
		d.Failed = append([]failedLetter{}, d.Failed...) // an empty list is [], not null
		err = o.writeJSON(d)
	} else {
		err = o.writeText(fmt.Sprintf("%s %d\n", did, d.Count))
		for _, f := range d.Failed {
			fmt.Fprintln(o.stderr, "airhost:", printable(f.text()))
		}
	}
	if err == nil && len(d.Failed) > 0 {
		return errReported
	}
	return err
}

func parseNumber(text string) (uint64, error) {
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, wrongUse{fmt.Errorf("NUMBER is %q, want that of a dead letter, as airhost dead-letters lists them", text)}
	}
	return number, nil
}
