package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/nearest"
	"github.com/airhost/airhost/internal/service"
)

// delivery is the common part of call and send.
type delivery struct {
	*program
	payload payload
	timeout time.Duration // of a call; 0 is the host's default
	answers bool          // the message has been answered when deliver returns
}

func (d *delivery) command(name, short, long string, deliver func(context.Context, *service.Service, core.ComponentID, []byte) error) *cobra.Command {
	command := &cobra.Command{
		Use:   name + " FILE TARGET",
		Short: short,
		Long: long + `

The message is --data, or the content of --data-file, or else standard input,
which must not be a terminal.`,
		Example: fmt.Sprintf(`  airhost %[1]s airhost.yaml shop/orders --data '{"id": 7}'
  airhost %[1]s airhost.yaml shop/orders --data-file order.json
  echo '{"id": 7}' | airhost %[1]s airhost.yaml shop/orders`, name),
		Args:              arguments("FILE", "TARGET"),
		ValidArgsFunction: completeFile(true),
		RunE: d.work(func(ctx context.Context, args []string) error {
			return d.deliver(ctx, args[0], args[1], deliver)
		}),
	}
	d.payload.flags(command)
	d.cacheFlag(command)
	return command
}

func (d *delivery) deliver(ctx context.Context, path, target string, deliver func(context.Context, *service.Service, core.ComponentID, []byte) error) error {
	id, err := core.ParseComponentID(target)
	if err != nil {
		return wrongUse{fmt.Errorf("TARGET: %w", err)}
	}
	if d.timeout < 0 || d.timeout > core.MaxTimeout {
		return wrongUse{fmt.Errorf("--timeout is %v, want up to %v", d.timeout, core.MaxTimeout)}
	}
	file, err := config.Load(path, service.Built())
	if err != nil {
		return err
	}
	if err := hasTarget(file.IDs(), path, target); err != nil {
		return err
	}
	message, err := d.payload.read(ctx, d.stdin)
	if err != nil {
		return err
	}
	a, err := d.start(ctx, file)
	if err != nil {
		return err
	}
	if err = a.Failure(id); err == nil {
		err = deliver(ctx, a, id, message)
	}
	if stop := stopped(ctx, "waiting for "+target); stop != nil && errors.Is(err, context.Canceled) {
		err = stop
	}
	return errors.Join(err, d.leave(ctx, a))
}

// leave stops the host. If this message has been answered, messages that are left are
// those of other components, and no error.
func (d *delivery) leave(ctx context.Context, a *service.Service) error {
	var errs []error
	for _, err := range service.Joined(a.Stop(ctx)) {
		if d.answers && errors.Is(err, host.ErrUnhandled) {
			d.log.Warn("stopped before all was done", "reason", err.Error())
		} else {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// hasTarget returns an error if the file has no such target. It is called before the
// message is read and the host is started.
func hasTarget(ids []string, path, target string) error {
	if slices.Contains(ids, target) {
		return nil
	}
	hint := "it has: " + strings.Join(ids, ", ")
	if len(ids) == 0 {
		hint = "it has none: see what it includes"
	}
	if near := nearest.Of(target, ids); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return wrongUse{fmt.Errorf("%s has no component %s, %s", path, target, hint)}
}

// settle waits until no message is under way, or until the drain limit is reached.
func (d *delivery) settle(ctx context.Context, a *service.Service) {
	ctx, cancel := context.WithTimeout(ctx, a.DrainLimit())
	defer cancel()
	if err := a.Quiesce(ctx); err != nil {
		d.log.Warn("stopping before all is done", "reason", err.Error())
	}
}
