package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/core"
	gateway "github.com/airhost/airhost/gateway/http"
	"github.com/airhost/airhost/internal/abi"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/parts"
	"github.com/airhost/airhost/internal/service"
	"github.com/airhost/airhost/internal/spawn"
	"github.com/airhost/airhost/internal/wasm"
)

func (p *program) checkCommand() *cobra.Command {
	online := false
	command := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file and every module it names",
		Long: `check reads a configuration file, compiles every module that it names, and lists
all that is wrong with them. It runs no guest code. A component that is a process
is started once, to ask it what it has, and ended again; executables of brokers and
trackers are looked at, and not started. The exit code is 0 when the file can be
run, and 2 when something is wrong with it.

With --online it connects to the servers of host.nats as the host would, and says
in a line which server answers, with the largest message that it takes. It asks for
each subject that the host needs; hosts that run are not disturbed. It warns of durable
mailboxes and leases of which a cluster of servers could keep more replicas. The exit
code is 1 when no server answers, or when one does not permit what the host needs.`,
		Example:           "  airhost check airhost.yaml\n  airhost check airhost.yaml --online",
		Args:              arguments("FILE"),
		ValidArgsFunction: completeFile,
		RunE:              p.work(func(ctx context.Context, args []string) error { return p.check(ctx, args[0], online) }),
	}
	command.Flags().BoolVar(&online, "online", false, "connect to the servers of host.nats as well")
	p.cacheFlag(command)
	return command
}

func (p *program) check(ctx context.Context, path string, online bool) error {
	file, err := config.Load(path, service.Built())
	if err != nil {
		return err
	}
	p.warn(file.Warnings())
	c := checker{file: file, traits: make([]core.Traits, len(file.Components)), hints: make([]string, len(file.Components)), found: make([]config.Mistakes, len(file.Components))}
	settings := service.Settings(file, p.cacheDir(), p.log)
	settings.TrustedKeys, c.compiling = p.trustedKeys(), p.compiling
	err = c.open(service.Engines(file), settings)
	if err == nil {
		err = c.compile(ctx)
	}
	if err = errors.Join(err, c.close(ctx)); err != nil {
		return err
	}
	err = errors.Join(p.checked(&c), c.routes(), service.CheckWays(file), service.CheckNATS(file), executables(file))
	if online {
		err = errors.Join(err, p.online(ctx, file))
	}
	return err
}

func (p *program) warn(warnings config.Mistakes) {
	if p.logFormat == formatJSON {
		p.logMistakes(slog.LevelWarn, warnings)
		return
	}
	for _, w := range warnings {
		fmt.Fprintln(p.stderr, "warning:", w)
	}
}

// checker compiles the components of a file.
type checker struct {
	file    *config.File
	engines map[string]openEngine
	traits  []core.Traits
	hints   []string
	// compiling shows that a component is being compiled.
	compiling func(id string) (done func())
	found     []config.Mistakes
	modules   sync.Map // the hint for each path, as a func() string
}

// openEngine is an engine that must be closed.
type openEngine struct {
	core.Engine
	runs parts.Kind
}

// open makes the engines.
func (c *checker) open(engines []parts.Engine, settings parts.Settings) error {
	c.engines = map[string]openEngine{}
	for _, e := range engines {
		engine, err := e.New(settings)
		if err != nil {
			return err
		}
		c.engines[e.Name] = openEngine{engine, e.Runs}
	}
	return nil
}

func (c *checker) close(ctx context.Context) error {
	var errs []error
	for _, e := range c.engines {
		errs = append(errs, e.Close(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}

// compile compiles the components, as many at a time as there are processors, and notes
// the mistakes of each. An error means that checking itself failed.
func (c *checker) compile(ctx context.Context) error {
	compiled, found := make([]core.Component, len(c.file.Components)), make([]error, len(c.file.Components))
	service.AtOnce(len(found), func(i int) {
		if ctx.Err() == nil {
			compiled[i], found[i] = c.compileOne(ctx, i)
		}
	})
	stop := stopped(ctx, "checking")
	var errs []error
	for i, err := range found {
		c.found[i] = service.ModuleMistakes(c.file, i, err)
		if err != nil && len(c.found[i]) == 0 {
			errs = append(errs, fmt.Errorf("check of %s: %w", c.file.Components[i].ID, err))
		}
		if compiled[i] != nil { // closed last: the components of one file share their code
			errs = append(errs, compiled[i].Close(context.WithoutCancel(ctx)))
		}
	}
	if stop != nil {
		return stop
	}
	return errors.Join(errs...)
}

func (c *checker) compileOne(ctx context.Context, i int) (core.Component, error) {
	component := c.file.Components[i]
	defer c.compiling(component.ID.String())()
	compiled, err := c.engines[component.Engine].Compile(ctx, service.Source(c.file, i), service.Limits(component))
	if err != nil {
		return nil, err
	}
	c.traits[i], c.hints[i] = compiled.Traits(), c.hint(component)
	return compiled, nil
}

// hint describes a probable mistake in a module that compiles. It returns "" if it finds
// none.
func (c *checker) hint(of config.Component) string {
	if c.engines[of.Engine].runs != parts.WebAssembly {
		return ""
	}
	once, _ := c.modules.LoadOrStore(of.Source, sync.OnceValue(func() string { return moduleHint(of.Source) }))
	return once.(func() string)()
}

func moduleHint(path string) string {
	code, err := readModule(path)
	if err != nil {
		return ""
	}
	m, err := wasm.Parse(code)
	if err != nil {
		return ""
	}
	return abi.Hint(m)
}

func (c *checker) result(i int) string {
	switch n := len(c.found[i]); {
	case n == 1:
		return "1 mistake"
	case n > 1:
		return fmt.Sprintf("%d mistakes", n)
	case len(c.file.Components[i].Capabilities.Request) > 0 && !c.traits[i].Callback:
		return "ok, but without handle-callback it cannot send requests"
	case c.traits[i].State && several(c.file.Components[i].Instances):
		return "ok, but with several instances its state is not handed over in a replacement"
	case c.hints[i] != "":
		return "ok, but " + c.hints[i]
	}
	return "ok"
}

// routes returns a mistake for each route of bodies to a component that handles whole requests.
func (c *checker) routes() error {
	var mistakes config.Mistakes
	for i, r := range c.file.Gateway.HTTP.Routes {
		for j, component := range c.file.Components {
			if component.ID == r.Target && c.traits[j].HTTP && gateway.Pattern(r.Pattern) != gateway.HTTP {
				mistakes = append(mistakes, c.file.Mistake(fmt.Sprintf("gateway.http.routes[%d].target", i),
					fmt.Sprintf("%s handles whole requests (it exports wasi:http/incoming-handler): add pattern: http to the route", r.Target)))
			}
		}
	}
	if mistakes == nil {
		return nil
	}
	return mistakes
}

// several reports whether there may be more than one instance.
func several(n config.Instances) bool { return n > 1 || n < 0 }

// executables returns the mistakes in the files of extensions.
func executables(file *config.File) error {
	var mistakes config.Mistakes
	for _, part := range []struct {
		path string
		config.Part
	}{{"host.broker", file.Host.Broker}, {"host.tracker", file.Host.Tracker}} {
		if part.Plugin == nil {
			continue
		}
		if err := spawn.Check(part.Plugin.Plugin, part.Plugin.SHA256); err != nil {
			key := ".plugin"
			if errors.Is(err, spawn.ErrChecksum) {
				key = ".sha256"
			}
			mistakes = append(mistakes, file.Mistake(part.path+key, err.Error()))
		}
	}
	if mistakes == nil {
		return nil
	}
	return mistakes
}
