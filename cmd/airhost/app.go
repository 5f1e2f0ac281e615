package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/dig"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/airhost/airhost/airhostfx"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
)

// cacheFlag adds --cache to a command that compiles modules.
func (p *program) cacheFlag(command *cobra.Command) {
	command.Flags().StringVar(&p.cache, "cache", "", `directory for compiled code (default: "airhost" in the user's cache directory; "" keeps none)`)
}

// defaultDrain is the default of core/host, for the waits of this program itself.
const defaultDrain = 5 * time.Second

// stopGrace is the time that a stop may take beyond the drain limit, for handlers that
// still run and for the guests' shutdowns.
const stopGrace = 15 * time.Second

// application is a running host with the components of one file.
type application struct {
	*host.Host
	file *config.File
	fx   *fx.App
	log  *slog.Logger
}

// start runs the host of a configuration file with all its components. The
// caller must stop it.
func (p *program) start(ctx context.Context, file *config.File) (*application, error) {
	p.logMistakes(slog.LevelWarn, file.Warnings())
	parts, err := p.partsOf(file)
	if err != nil {
		return nil, err
	}
	a := &application{file: file, log: p.log}
	a.fx = fx.New(
		airhostfx.Host, parts, fx.Supply(hostConfig(file), p.log),
		fx.Populate(&a.Host),
		fx.WithLogger(p.fxLog),
	)
	// The start is not cut off: fx would leave its goroutine behind when ctx ends.
	if err := a.fx.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, dig.RootCause(err) // without the path through the constructors
	}
	err = a.deploy(ctx)
	if stop := stopped(ctx, "starting"); stop != nil {
		if err != nil {
			p.report(err) // the mistakes that were found before the stop
		}
		err = stop
	}
	if err != nil {
		return nil, errors.Join(err, a.stop(ctx))
	}
	return a, nil
}

// fxLog logs the wiring of the application, one level below debug: it is of no use to
// someone who debugs a guest.
func (p *program) fxLog() fxevent.Logger {
	events := &fxevent.SlogLogger{Logger: p.log}
	events.UseLogLevel(levelTrace)
	return events
}

// deploy compiles the guests of all components, as many at a time as there are processors,
// and then starts them together. Both steps go on after a failure, so that the user sees
// all failures of the step at once.
func (a *application) deploy(ctx context.Context) error {
	prepared, err := a.prepare(ctx)
	if err == nil && ctx.Err() == nil {
		err = a.DeployAll(ctx, prepared...)
		a.logTraps(err)
		return withoutCut(ctx, err)
	}
	for _, p := range prepared {
		if p != nil {
			err = errors.Join(err, p.Close(ctx))
		}
	}
	return err
}

// prepare compiles the guests of all components.
func (a *application) prepare(ctx context.Context) ([]*host.Prepared, error) {
	all, found := make([]*host.Prepared, len(a.file.Components)), make([]error, len(a.file.Components))
	atOnce(len(all), func(i int) {
		if found[i] = ctx.Err(); found[i] == nil {
			all[i], found[i] = a.prepareOne(ctx, i)
		}
	})
	var mistakes config.Mistakes
	var errs []error
	for i, err := range found {
		err = withoutCut(ctx, err)
		if of := moduleMistakes(a.file, i, err); len(of) > 0 {
			mistakes = append(mistakes, of...)
		} else if err != nil {
			errs = append(errs, err)
		}
	}
	if len(mistakes) > 0 {
		errs = append(errs, mistakes)
	}
	return all, errors.Join(errs...)
}

// prepareOne compiles the guest of component i.
func (a *application) prepareOne(ctx context.Context, i int) (p *host.Prepared, err error) {
	d := deployment(a.file.Components[i])
	if d.Source, err = source(a.file, i); err != nil {
		return nil, err
	}
	return a.Prepare(ctx, d)
}

// withoutCut returns err without the errors of starts that ctx has cut off: these are no
// failures.
func withoutCut(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	var errs []error
	for _, e := range joined(err) {
		if !errors.Is(e, context.Canceled) && !errors.As(e, new(stopSignal)) {
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}

// logTraps logs the details of guests that trapped when they were started.
func (a *application) logTraps(err error) {
	for _, e := range joined(err) {
		trap, failed := (*core.TrapError)(nil), (*host.DeploymentError)(nil)
		if errors.As(e, &trap) && errors.As(e, &failed) && trap.Stderr+trap.Details != "" {
			a.log.Error("component did not start", "component", failed.Component.String(), "reason", trap.Error(), "stderr", trap.Stderr, "details", trap.Details)
		}
	}
}

// moduleMistakes returns the mistakes in the source of component i that err reports, or
// those in the configuration of its process. It returns nothing for other errors.
func moduleMistakes(file *config.File, i int, err error) config.Mistakes {
	var module *core.ModuleError
	var mistakes config.Mistakes
	if errors.As(err, &mistakes) {
		return mistakes
	}
	if errors.As(err, &module) {
		path := fmt.Sprintf("components[%d].source", i)
		for _, problem := range module.Problems {
			mistakes = append(mistakes, file.Mistake(path, file.Components[i].Source+": "+problem))
		}
	}
	return mistakes
}

// drainLimit is the time that a stop waits for messages under way.
func (a *application) drainLimit() time.Duration {
	if limit := time.Duration(a.file.Host.DrainTimeout); limit > 0 {
		return limit
	}
	return defaultDrain
}

// stop ends the host gracefully, also after the end of ctx, and then logs the host's
// counters.
func (a *application) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.drainLimit()+stopGrace)
	defer cancel()
	err := a.fx.Stop(ctx)
	a.summarize()
	return err
}

// finish is stop at the end of a run. It returns an error if a required component has
// failed, or if messages were left.
func (a *application) finish(ctx context.Context) error {
	failed := a.failed()
	return errors.Join(failed, a.stop(ctx))
}

// failed returns an error that names the required components that have failed.
func (a *application) failed() error {
	var errs []error
	for _, c := range a.Components() {
		if c.Required && c.State == "failed" {
			errs = append(errs, fmt.Errorf("%s, which is required, has failed: %s", c.ID, c.LastError))
		}
	}
	return errors.Join(errs...)
}

// summarize logs the host's counters.
func (a *application) summarize() {
	s := a.Snapshot()
	attrs := []any{"sent", s.Sent, "handled", s.Handled, "requests", s.Requests, "callbacks", s.Callbacks}
	for _, c := range []struct {
		name  string
		count uint64
	}{
		{"left", s.Left}, {"arrived", s.Arrived}, {"timers", s.Fired}, {"calls", s.Calls}, {"timeouts", s.Timeouts}, {"canceled", s.Canceled}, {"expired", s.Expired}, {"late", s.Late}, {"orphans", s.Orphans},
		{"dead_letters", s.DeadLetters}, {"traps", s.Traps}, {"restarts", s.Restarts},
		{"workers_held_up", s.WorkersHeldUp}, {"audit_dropped", s.AuditDropped}, {"log_lines_dropped", s.LogDrops},
	} {
		if c.count > 0 {
			attrs = append(attrs, c.name, c.count)
		}
	}
	attrs = append(attrs, byReason("refused", s.Refused), byReason("failed_calls", s.FailedCalls))
	a.log.Info("stopped", attrs...)
}

// byReason returns counts as an attribute, which is left out where it is empty.
func byReason(name string, counts map[string]uint64) slog.Attr {
	var all []any
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, slog.Uint64(reason, counts[reason]))
	}
	return slog.Group(name, all...)
}
