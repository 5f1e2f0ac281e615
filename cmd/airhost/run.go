package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/sdnotify"
	"github.com/airhost/airhost/internal/service"
)

func (p *program) runCommand() *cobra.Command {
	watch := false
	command := &cobra.Command{
		Use:   "run FILE",
		Short: "Run the host until it is interrupted",
		Long: `run starts the components of a configuration file and runs them until SIGINT or
SIGTERM. It then stops gracefully: no new messages, mailboxes worked off for up
to host.drain_timeout, each guest's shutdown, and a summary in the log. A second
signal ends it at once. If the log cannot be written, the host goes on without it.

A component that cannot be started has failed, and the others run, unless it has
"required: true", or none can be started.

SIGHUP makes the host run what the file says now, as airhost apply does: only what
changed is touched, and a file with mistakes changes nothing. With --watch it does so
after each change of the file or of a source.

With gateway.http in the file it answers HTTP requests, and with schedules it sends
requests at their times; docs/gateway.md tells how.

The exit code is 0 after a signal, also while it starts; it is 1 when messages were
left, or when a component with "required: true" has failed.`,
		Example:           "  airhost run airhost.yaml\n  airhost run airhost.yaml --watch\n  airhost run airhost.yaml --log-format json --log-level debug",
		Args:              arguments("FILE"),
		ValidArgsFunction: completeFile,
		PreRun:            func(*cobra.Command, []string) { p.reloads = make(chan struct{}, 1) },
		RunE:              p.work(func(ctx context.Context, args []string) error { return p.run(ctx, args[0], watch) }),
	}
	command.Flags().BoolVar(&watch, "watch", false, "follow changes of the file, and of the sources that it names")
	p.cacheFlag(command)
	return command
}

func (p *program) run(ctx context.Context, path string, watch bool) error {
	file, err := config.Load(path, service.Built())
	if err != nil {
		return err
	}
	if err := service.CheckWays(file); err != nil {
		return err
	}
	log, err := p.adminLog()
	if err != nil {
		return err
	}
	s, err := p.newService(ctx, service.Config{File: file, Changes: true})
	if err != nil {
		return p.unlessStop(err)
	}
	api, err := p.openAdmin(ctx, s, file, log)
	if err != nil {
		return errors.Join(err, s.Stop(ctx))
	}
	p.tell(sdnotify.Status(fmt.Sprintf("starting %d components", len(file.Components))))
	if err = p.deploy(ctx, s); err == nil {
		err = s.Open(ctx)
	}
	if err == nil {
		p.log.Info("airhost is running, an interrupt stops it", "file", path, "components", len(file.Components))
		err = p.operate(ctx, s, watch)
		p.log.Info("stopping", "drain_timeout", s.DrainLimit())
		err = errors.Join(err, s.RequiredFailed())
	}
	p.tell(sdnotify.Stopping())
	err = errors.Join(p.unlessStop(err), s.Stop(ctx), api.Stop(ctx))
	logDeadLetters(p, s)
	return err
}

// unlessStop reports a signal's request to stop, which is no failure of a run. It returns all
// other errors.
func (p *program) unlessStop(err error) error {
	if !isStop(err) {
		return err
	}
	p.report(err)
	return nil
}

// tell logs that the service manager, if there is one, could not be told something.
func (p *program) tell(err error) {
	if err != nil {
		p.log.Warn("the service manager was not told", "reason", err.Error())
	}
}

// operate changes the service until ctx ends. An error says that --watch does not work.
func (p *program) operate(ctx context.Context, s *service.Service, watch bool) error {
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan error, 1)
	var all sync.WaitGroup
	if watch {
		all.Go(func() { watched <- s.Watch(ctx, p.reload) })
	}
	all.Go(func() {
		p.tell(sdnotify.Watchdog(ctx, func() bool { s.Snapshot(); return true })) // the host answers
	})
	defer func() { cancel(); all.Wait() }()
	p.tell(sdnotify.Ready("running"))
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-watched:
			return err
		case <-p.reloads:
			p.tell(sdnotify.Reloading())
			if err := s.Reload(ctx); err != nil && ctx.Err() == nil {
				p.report(err)
				reason, _, _ := strings.Cut(err.Error(), "\n") // readers of the admin API's log see no report
				p.log.Error("the file was not applied, nothing has changed", "reason", reason)
			}
			p.tell(sdnotify.Ready("running"))
		}
	}
}

// reload asks run for the file's changes.
func (p *program) reload() {
	select {
	case p.reloads <- struct{}{}:
	default: // it was asked already and has not begun
	}
}

// logDeadLetters logs the messages that were never handled: only the newest, because a
// failed component may have left thousands.
func logDeadLetters(p *program, s *service.Service) {
	const most = 10
	letters := s.DeadLetters()
	for _, l := range letters[max(0, len(letters)-most):] {
		p.log.Warn("dead letter", "since", l.Time, "sender", l.Sender.String(), "target", l.Target.String(),
			"request", l.Request, "size", l.Size, "reason", l.Reason)
	}
}
