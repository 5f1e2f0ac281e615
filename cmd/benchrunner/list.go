package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/internal/bench/data/suite"
	"github.com/airhost/airhost/internal/bench/show/output"
)

func newListCommand() *cobra.Command {
	chosen := everything()
	suites := ""
	command := &cobra.Command{
		Use:   "list",
		Short: "Name the cells, and why some cannot be measured",
		Long: `List names all cells, one a line, or those that the flags choose, and says of
each whether this build can measure it, or why not. On a terminal, and without any
flag, it counts them instead: there are thousands.`,
		Example: `  benchrunner list
  benchrunner list --all
  benchrunner list --engine wazero --pattern fire-and-forget --components 1,10,100
  benchrunner list --suites ` + defaultSuites,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if suites != "" {
				return listSuites(command.OutOrStdout(), suites)
			}
			stdout := command.OutOrStdout()
			print := output.List
			if isTerminal(stdout) && command.Flags().NFlag() == 0 {
				print = output.Overview
			}
			return listCells(stdout, chosen, print)
		},
	}
	chosen.add(command.Flags())
	command.Flags().Bool("all", false, "name all cells on a terminal, too")
	command.Flags().StringVar(&suites, "suites", "", "name the suites of `FILE` instead, and how many cells each has")
	return command
}

func listCells(stdout io.Writer, chosen selectionFlags, print func(io.Writer, []output.Listed) error) error {
	selection, err := chosen.selection()
	if err != nil {
		return err
	}
	source := catalog(slog.New(slog.DiscardHandler))
	var listed []output.Listed
	for _, key := range selection.Keys() {
		listed = append(listed, output.Listed{Key: key, Reason: source.Reason(key)})
	}
	if err := print(stdout, listed); err != nil {
		return &failure{err}
	}
	return nil
}

// listSuites prints each suite's name, number of cells, and purpose. A mistake
// in any of them is an error.
func listSuites(stdout io.Writer, path string) error {
	file, err := suite.Load(path)
	if err != nil {
		return fmt.Errorf("--suites: %w", err)
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, name := range file.Names() {
		keys, _, err := suiteKeys(file.Suites[name], file)
		if err != nil {
			return fmt.Errorf("--suites: %w", err)
		}
		fmt.Fprintf(table, "%s\t%d cells\t%s\n", name, len(keys), file.Suites[name].About)
	}
	_ = table.Flush() // which cannot fail into a strings.Builder
	if _, err := io.WriteString(stdout, text.String()); err != nil {
		return &failure{err}
	}
	return nil
}
