package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/service"
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
			schema, err := config.Schema(service.Built())
			if err == nil {
				_, err = p.stdout.Write(schema)
			}
			return err
		}),
	}
}
