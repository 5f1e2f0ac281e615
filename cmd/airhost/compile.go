package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/codecache"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/parts"
	"github.com/airhost/airhost/internal/precompiled"
	"github.com/airhost/airhost/internal/service"
)

// precompiledFile ends the names of precompiled files.
const precompiledFile = ".airhost"

// compilation is one run of compile.
type compilation struct {
	*program
	output, engine, key string
	fuel                bool
	tableElements       uint32
	nesting             int
	stack               string
}

func (p *program) compileCommand() *cobra.Command {
	c := &compilation{program: p}
	command := &cobra.Command{
		Use:   "compile MODULE.wasm",
		Short: "Compile a module ahead, into a file that starts without compiling",
		Long: `compile checks a WebAssembly module, compiles it, and writes the module with its
code into one file, MODULE.airhost beside it if -o names no other. All commands and
configurations take that file in place of the module.

The code is for one engine and its version, for the kind of processor of this machine,
and for limits that change it: give --fuel for components with limits.fuel, and the
other limits as components have them. Where the code does not fit, a warning says
why, and the module in the file is compiled as if it came alone.

Code is run as it is, and so the file is signed. The key is --key, or a key of your own
in your configuration directory, which is made when there is none. An airhost runs only
code that was signed by a key whose public part is in a file *.pub of the folder
airhost/trusted in the user's configuration directory, or of /etc/airhost/trusted; your
own is there. To trust another one, copy its file there: whoever has that key can run
any code in airhost. A file by anybody else is as safe as its module, which is
compiled here.`,
		Example: "  airhost compile orders.wasm\n  airhost compile orders.wasm -o /srv/orders.airhost --engine wasmtime --fuel\n" +
			"  airhost call orders.airhost --data '{\"id\": 7}'",
		Args: arguments("MODULE.wasm"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, noFiles
			}
			return []string{"wasm", "airhost"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: p.work(func(ctx context.Context, args []string) error { return c.run(ctx, args[0]) }),
	}
	c.flags(command)
	return command
}

func (c *compilation) flags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVarP(&c.output, "output", "o", "", "the file to write (default: MODULE.airhost beside the module)")
	flags.StringVar(&c.engine, "engine", parts.Engines[0].Name, "the engine that will run the code")
	flags.StringVar(&c.key, "key", "", `the private key that signs the code, Ed25519 in PEM (default: "airhost/compile.key" in the user's configuration directory)`)
	flags.BoolVar(&c.fuel, "fuel", false, "for components with limits.fuel")
	flags.Uint32Var(&c.tableElements, "table-elements", 0, "as limits.table_elements of the components")
	flags.IntVar(&c.nesting, "nesting", 0, "as limits.nesting of the components")
	flags.StringVar(&c.stack, "stack", "", "as limits.stack of the components, such as 512KiB")
	complete(command, "engine", codeEngines()...)
}

// codeEngines are the names of the engines whose code can be kept.
func codeEngines() (names []string) {
	for _, e := range parts.Engines {
		if e.Caches && e.LeftOut == "" {
			names = append(names, e.Name)
		}
	}
	return names
}

func (c *compilation) run(ctx context.Context, path string) error {
	engine, limits, err := c.settings()
	if err != nil {
		return wrongUse{err}
	}
	module, err := readModule(path)
	if err != nil {
		return wrongUse{fmt.Errorf("compile: %w", err)}
	}
	key, err := c.signer()
	if err != nil {
		return wrongUse{fmt.Errorf("--key: %w", err)}
	}
	code, err := c.compile(ctx, engine, core.Source{Path: path, Code: module}, limits)
	if stop := stopped(ctx, "compiling"); stop != nil && err != nil {
		return stop
	}
	if err != nil {
		return err
	}
	header := codecache.Header(engine.Name, engine.CodeVersion())
	header.Airhost, header.Limits = moduleVersion(), c.limits()
	output := cmp.Or(c.output, strings.TrimSuffix(strings.TrimSuffix(path, ".wasm"), precompiledFile)+precompiledFile)
	size, err := writePrecompiled(output, header, module, code, key)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s: %d bytes, code for %s on %s/%s, signed by %s\n", printable(output), size,
		engine.Name, runtime.GOOS, runtime.GOARCH, precompiled.Fingerprint(key.Public().(ed25519.PublicKey)))
	return err
}

// settings reads the flags.
func (c *compilation) settings() (engine parts.Engine, limits core.Limits, err error) {
	i := slices.IndexFunc(parts.Engines, func(e parts.Engine) bool { return e.Name == c.engine })
	switch {
	case i < 0 || !parts.Engines[i].Caches:
		return engine, limits, fmt.Errorf("--engine is %q, want one that compiles modules: %s", c.engine, strings.Join(codeEngines(), ", "))
	case parts.Engines[i].LeftOut != "":
		return engine, limits, fmt.Errorf("--engine: %s is not built into this airhost: %s", c.engine, parts.Engines[i].LeftOut)
	case c.nesting < 0:
		return engine, limits, fmt.Errorf("--nesting is %d, want a number above 0", c.nesting)
	}
	limits = core.Limits{TableElements: c.tableElements, Nesting: c.nesting}
	if c.fuel {
		limits.Fuel = 1 // any bound has the same code
	}
	if c.stack != "" {
		var size config.Size
		if err := size.UnmarshalText([]byte(c.stack)); err != nil {
			return engine, limits, fmt.Errorf("--stack: %w", err)
		}
		limits.Stack = int64(size)
	}
	return parts.Engines[i], limits, nil
}

// limits tells for which limits the code is.
func (c *compilation) limits() string {
	text := "without fuel"
	if c.fuel {
		text = "fuel"
	}
	if c.tableElements != 0 {
		text += fmt.Sprintf(", table_elements %d", c.tableElements)
	}
	if c.stack != "" {
		text += ", stack " + c.stack
	}
	return text
}

// compile returns the code of a module. It is compiled into a cache of its own.
func (c *compilation) compile(ctx context.Context, of parts.Engine, src core.Source, limits core.Limits) (code []precompiled.Entry, err error) {
	dir, err := os.MkdirTemp("", "airhost-compile-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	engine, err := of.New(parts.Settings{CacheDir: dir, Logger: c.log})
	if err != nil {
		return nil, err
	}
	defer c.program.compiling(filepath.Base(src.Path))()
	component, err := engine.Compile(ctx, src, limits)
	if err == nil {
		err = component.Close(context.WithoutCancel(ctx))
	}
	if err = errors.Join(err, engine.Close(context.WithoutCancel(ctx))); err != nil {
		return nil, err
	}
	code, err = codecache.Entries(dir)
	if err == nil && len(code) == 0 {
		err = fmt.Errorf("%s has kept no code: it interprets modules on %s/%s, or the line above says why", of.Name, runtime.GOOS, runtime.GOARCH)
	}
	return code, err
}

// writePrecompiled writes a precompiled file at once: nobody reads a part of it.
func writePrecompiled(path string, header precompiled.Header, module []byte, code []precompiled.Entry, key ed25519.PrivateKey) (int64, error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".airhost-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	err = precompiled.Write(file, header, module, code, key)
	info, err2 := file.Stat()
	if err = errors.Join(err, err2, file.Chmod(0o644), file.Close()); err != nil {
		return 0, err
	}
	return info.Size(), os.Rename(file.Name(), path)
}

// signer returns the key that signs. The user's own is made when there is none.
func (c *compilation) signer() (ed25519.PrivateKey, error) {
	if c.key != "" {
		return precompiled.LoadKey(c.key)
	}
	base, err := os.UserConfigDir()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(base, "airhost", "compile.key")
	key, err := precompiled.LoadKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = precompiled.CreateKey(path, filepath.Join(base, "airhost", trustedFolder))
	}
	if errors.Is(err, fs.ErrExist) { // another compile has just made it
		return precompiled.LoadKey(path)
	}
	return key, err
}

// trustedFolder has the public keys whose code airhost runs.
const trustedFolder = "trusted"

// trustedKeys are the keys whose code airhost runs.
func (p *program) trustedKeys() []ed25519.PublicKey {
	folders := []string{filepath.Join("/etc/airhost", trustedFolder)}
	if base, err := os.UserConfigDir(); err == nil {
		folders = append(folders, filepath.Join(base, "airhost", trustedFolder))
	}
	keys, err := precompiled.Trusted(folders...)
	for _, err := range service.Joined(err) {
		p.log.Warn("a key is not trusted", "reason", err.Error())
	}
	return keys
}
