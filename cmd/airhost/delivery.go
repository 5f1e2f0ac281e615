package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/filekind"
	"github.com/airhost/airhost/internal/nearest"
	"github.com/airhost/airhost/internal/service"
	"github.com/airhost/airhost/internal/wasm"
)

// delivery is the common part of call and send.
type delivery struct {
	operation // for a running host
	payload   payload
	timeout   time.Duration // of a call; 0 is the host's default
	answers   bool          // the message has been answered when deliver returns
	alone     bool          // in a host of its own in any case
	missing   string        // where the file's host would be, and is not
	engine    string        // of a module without a file
	// toHost sends the message to a running host.
	toHost func(ctx context.Context, target core.ComponentID, message []byte) error
}

// addressee is a message's target, and where it runs.
type addressee struct {
	target core.ComponentID
	path   string // of the configuration, or of a module; may be empty with a running host
	module bool
}

// deliverer sends a message in a host of its own.
type deliverer func(context.Context, *service.Service, core.ComponentID, []byte) error

func (d *delivery) command(name, short, long string, deliver deliverer) *cobra.Command {
	command := &cobra.Command{
		Use:   name + " [FILE] TARGET | MODULE.wasm",
		Short: short,
		Long: long + `

With --host or AIRHOST_HOST the message goes to that running host, and also if the
host runs that was started with FILE. Otherwise, and always with --alone, a host of
its own is started with FILE; it waits until nothing is under way any more, for up to
host.drain_timeout, and is stopped again. A MODULE.wasm runs in a host of its own with
the default limits, and may do nothing: no file is needed. So does a MODULE.airhost,
which airhost compile makes.

The message is --data, or the content of --data-file, or else standard input,
which must not be a terminal.`,
		Example: fmt.Sprintf(`  airhost %[1]s airhost.yaml shop/orders --data '{"id": 7}'
  airhost %[1]s airhost.yaml shop/orders --data-file order.json
  echo '{"id": 7}' | airhost %[1]s --host /run/airhost/shop.sock shop/orders
  airhost %[1]s orders.wasm --data '{"id": 7}'`, name),
		Args:              d.arguments,
		ValidArgsFunction: d.completeTarget,
		RunE: d.work(func(ctx context.Context, args []string) error {
			return d.deliver(ctx, args, deliver)
		}),
	}
	d.payload.flags(command)
	d.cacheFlag(command)
	d.flags(command)
	command.Flags().BoolVar(&d.alone, "alone", false, "start a host of its own with FILE, also if one runs")
	command.Flags().StringVar(&d.engine, "engine", "", "the engine that runs a MODULE.wasm (default: as in a file without engine)")
	complete(command, "engine", engineNames()...)
	command.MarkFlagsMutuallyExclusive("alone", "host")
	return command
}

// arguments checks the arguments of call and send.
func (d *delivery) arguments(c *cobra.Command, args []string) error {
	if len(args) > 0 && isModule(args[0]) {
		if d.address != "" {
			return fmt.Errorf("%s runs in a host of its own: --host is for a TARGET there", args[0])
		}
		return arguments("MODULE.wasm")(c, args)
	}
	if d.engine != "" {
		return errors.New("--engine is for a MODULE.wasm: FILE has the engine of each component")
	}
	if len(args) == 1 && !isFile(args[0]) && !d.alone {
		return nil // for the host at --host or AIRHOST_HOST
	}
	return arguments("FILE", "TARGET")(c, args)
}

// isModule reports whether an argument is a module, plain or precompiled.
func isModule(argument string) bool {
	return strings.HasSuffix(argument, ".wasm") || strings.HasSuffix(argument, precompiledFile)
}

func (d *delivery) deliver(ctx context.Context, args []string, deliver deliverer) error {
	if d.timeout < 0 || d.timeout > core.MaxTimeout {
		return wrongUse{fmt.Errorf("--timeout is %v, want up to %v", d.timeout, core.MaxTimeout)}
	}
	if isModule(args[0]) {
		return ofModule(args[0], d.inOwnHost(ctx, addressee{moduleID(args[0]), args[0], true}, deliver))
	}
	to := addressee{}
	if len(args) == 2 {
		to.path = args[0]
	}
	text := args[len(args)-1]
	var err error
	if to.target, err = core.ParseComponentID(text); err != nil {
		return wrongUse{cmp.Or(notModule(args), fmt.Errorf("TARGET: %w", err))}
	}
	if running, err := d.reach(ctx, to.path); err != nil {
		return err
	} else if running == nil {
		return d.inOwnHost(ctx, to, deliver)
	} else {
		defer d.client.Close()
		return d.inRunningHost(ctx, to.target, running)
	}
}

// notModule returns the error for the only argument if that is a file, though not one that is
// named like a module, or nil.
func notModule(args []string) error {
	if len(args) > 1 {
		return nil
	}
	start, err := beginning(args[0])
	switch {
	case err != nil:
		return nil
	case strings.HasPrefix(filekind.Of(start), "a WebAssembly "):
		return fmt.Errorf("%s: the name of a module ends in .wasm or %s: rename the file", args[0], precompiledFile)
	}
	return fmt.Errorf("%s: %w", args[0], filekind.Explain(start, wasm.ErrNotWasm))
}

// beginning returns the first bytes of a regular file.
func beginning(path string) ([]byte, error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, fs.ErrInvalid)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	const enough = 4096
	return io.ReadAll(io.LimitReader(file, enough))
}

// reach looks for a running host. It returns its components, or nil if the message is for a
// host of its own.
func (d *delivery) reach(ctx context.Context, path string) ([]admin.Component, error) {
	if d.alone {
		return nil, nil
	}
	d.file = path
	err := d.find()
	switch {
	case path != "" && err != nil && d.client == nil:
		return nil, nil // the file names no host; that of its own tells of mistakes
	case err != nil:
		return nil, err
	}
	all, err := d.client.Components(ctx)
	switch {
	case err == nil:
		return append([]admin.Component{}, all...), nil // not nil
	case d.named() || !errors.Is(err, admin.ErrUnreachable):
		return nil, d.explain(ctx, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w; --alone starts a host of its own", d.explain(ctx, err))
	}
	d.missing = d.client.Address()
	return nil, nil
}

func (d *delivery) inRunningHost(ctx context.Context, target core.ComponentID, running []admin.Component) error {
	if err := hasTarget(idsOf(running), "the host at "+d.client.Address(), target.String()); err != nil && !d.joined(ctx) {
		return d.notYet(target, err)
	}
	message, err := d.payload.read(ctx, d.stdin)
	if err != nil {
		return err
	}
	err = d.toHost(ctx, target, message)
	if stop := stopped(ctx, "waiting for "+target.String()); stop != nil && errors.Is(err, context.Canceled) {
		return stop
	}
	return d.explain(ctx, err)
}

// joined reports whether the host is in a cluster, of which another host may have a target.
func (d *delivery) joined(ctx context.Context) bool {
	state, err := d.client.Snapshot(ctx)
	return err == nil && state.Cluster != ""
}

// notYet explains that the running host does not have a target, if FILE has it by now.
func (d *delivery) notYet(target core.ComponentID, unknown error) error {
	if d.file == "" {
		return unknown
	}
	file, err := config.Load(d.file, service.Built())
	if err != nil || !slices.Contains(file.IDs(), target.String()) {
		return unknown
	}
	return wrongUse{fmt.Errorf("%s has %s, and the running host does not: `airhost apply %s` changes that, and --alone starts a host of its own", d.file, target, d.file)}
}

// inOwnHost starts a host for the message and stops it again.
func (d *delivery) inOwnHost(ctx context.Context, to addressee, deliver deliverer) error {
	file, err := d.load(to)
	if err != nil {
		return err
	}
	if err := hasTarget(file.IDs(), to.path, to.target.String()); err != nil {
		return err
	}
	message, err := d.payload.read(ctx, d.stdin)
	if err != nil {
		return err
	}
	if d.missing != "" {
		d.log.Info("no host runs with this file: a host of its own handles the message", "file", to.path, "address", d.missing)
	}
	a, err := d.start(ctx, service.Config{File: file, Aside: true})
	if err != nil {
		return err
	}
	if err = a.Failure(to.target); err == nil {
		err = deliver(ctx, a, to.target, message)
	}
	if stop := stopped(ctx, "waiting for "+to.target.String()); stop != nil && errors.Is(err, context.Canceled) {
		err = stop
	}
	return errors.Join(err, d.leave(ctx, a))
}

// load reads the configuration, or makes one that has the module alone and grants nothing.
func (d *delivery) load(to addressee) (*config.File, error) {
	if !to.module {
		return config.Load(to.path, service.Built())
	}
	entry := map[string]string{"id": to.target.String(), "source": to.path}
	if d.engine != "" {
		entry["engine"] = d.engine
	}
	text, err := json.Marshal(entry)
	if err != nil {
		return nil, err
	}
	return config.LoadComponent(to.target, ".", text, service.Built())
}

// moduleID is the id of a module without a file: local, and the module's name if an id can have
// that.
func moduleID(path string) core.ComponentID {
	name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".wasm"), precompiledFile)
	id, err := core.ParseComponentID("local/" + name)
	if err != nil {
		id = core.MustComponentID("local/module")
	}
	return id
}

// ofModule makes mistakes in the configuration that airhost has made for a module mistakes of the
// module itself: the user has written no configuration.
func ofModule(path string, err error) error {
	var errs []error
	for _, err := range service.Joined(err) {
		var mistakes config.Mistakes
		if !errors.As(err, &mistakes) {
			errs = append(errs, err)
			continue
		}
		var all config.Mistakes
		for _, m := range mistakes {
			name := path
			if strings.HasSuffix(m.Path, "engine") {
				name = "--engine"
			}
			all = append(all, &config.Mistake{File: name, Text: strings.TrimPrefix(m.Text, filepath.Clean(path)+": ")})
		}
		errs = append(errs, all)
	}
	return errors.Join(errs...)
}

func engineNames() (names []string) {
	for _, e := range service.Built().Engines {
		if e.LeftOut == "" {
			names = append(names, e.Name)
		}
	}
	return names
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
