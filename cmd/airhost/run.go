package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/internal/config"
)

func (p *program) runCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "run FILE",
		Short: "Run the host until it is interrupted",
		Long: `run starts the components of a configuration file and runs them until SIGINT or
SIGTERM. It then stops gracefully: no new messages, mailboxes worked off for up
to host.drain_timeout, each guest's shutdown, and a summary in the log. A second
signal ends it at once. SIGHUP does nothing, as there is no reload yet. If the log
cannot be written, the host goes on without it.

With gateway.http in the file it answers HTTP requests, and with schedules it sends
requests at their times; docs/gateway.md tells how.

The exit code is 0 after a signal, also while it starts; it is 1 when messages were
left, or when a component with "required: true" has failed.`,
		Example:           "  airhost run airhost.yaml\n  airhost run airhost.yaml --log-format json --log-level debug",
		Args:              arguments("FILE"),
		ValidArgsFunction: completeFile(false),
		RunE:              p.work(p.run),
	}
	p.cacheFlag(command)
	return command
}

func (p *program) run(ctx context.Context, args []string) error {
	file, err := config.Load(args[0], built())
	if err != nil {
		return err
	}
	if err := checkWays(file); err != nil {
		return err
	}
	a, err := p.start(ctx, file)
	if isStop(err) {
		p.report(err)
		return nil
	}
	if err != nil {
		return err
	}
	w, err := a.open(ctx)
	if err == nil {
		p.log.Info("airhost is running, an interrupt stops it", "file", args[0], "components", len(file.Components))
		<-ctx.Done()
		p.log.Info("stopping", "drain_timeout", a.drainLimit())
	}
	err = errors.Join(err, a.closeWays(ctx, w), a.finish(ctx))
	a.logDeadLetters()
	return err
}

// closeWays closes the ways in, before the host stops. Requests in progress have the drain limit
// to end.
func (a *application) closeWays(ctx context.Context, w *ways) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.drainLimit())
	defer cancel()
	return w.close(ctx)
}

// logDeadLetters logs the messages that were never handled: only the newest, because a
// failed component may have left thousands.
func (a *application) logDeadLetters() {
	const most = 10
	letters := a.DeadLetters()
	for _, l := range letters[max(0, len(letters)-most):] {
		a.log.Warn("dead letter", "time", l.Time, "sender", l.Sender.String(), "target", l.Target.String(),
			"request", l.Request, "size", l.Size, "reason", l.Reason)
	}
}
