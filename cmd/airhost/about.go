package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/internal/config"
)

func (p *program) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of configuration files",
		Long: `schema prints the JSON schema of configuration files: every key with what it
means, its default and its range. Editors use it to complete and check files.`,
		Example:           "  airhost schema > airhost.schema.json\n\n  # first line of airhost.yaml, for editors with a YAML language server:\n  # yaml-language-server: $schema=airhost.schema.json",
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: p.work(func(context.Context, []string) error {
			schema, err := config.Schema()
			if err == nil {
				_, err = p.stdout.Write(schema)
			}
			return err
		}),
	}
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Print the version and what is built in",
		Example:           "  airhost version",
		Args:              noArguments,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: p.work(func(context.Context, []string) error {
			_, err := fmt.Fprint(p.stdout, version())
			return err
		}),
	}
}

func version() string {
	module, versions := "(unknown)", map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		module = info.Main.Version
		for _, dep := range info.Deps {
			versions[dep.Path] = dep.Version
		}
	}
	return fmt.Sprintf("airhost   %s\ngo        %s %s/%s\nengines   %s\nbrokers   %s\ntrackers  %s\nwazero    %s\nwasmtime  %s\n",
		module, runtime.Version(), runtime.GOOS, runtime.GOARCH,
		strings.Join(names(engines), ", "), strings.Join(names(brokers), ", "), strings.Join(names(trackers), ", "), versions["github.com/tetratelabs/wazero"], wasmtimeVersion(versions))
}

// wasmtimeVersion is that of wasmtime-go, or why there is none.
func wasmtimeVersion(versions map[string]string) string {
	if !wasmtime.Available {
		return "left out: it takes cgo, on Linux or macOS, on amd64 or arm64"
	}
	return versions["github.com/bytecodealliance/wasmtime-go/v39"]
}
