package main

import (
	"github.com/spf13/cobra"

	"github.com/airhost/airhost/internal/bench/output"
	"github.com/airhost/airhost/internal/bench/result"
)

func newListCommand() *cobra.Command {
	chosen := selectionFlags{
		engines: engineNames, brokers: brokerNames, trackers: trackerNames,
		patterns: texts(result.Patterns()), modes: texts(result.Modes()),
		payloads: []string{"64"}, components: []int{2}, pairs: []int{1},
	}
	command := &cobra.Command{
		Use:   "list",
		Short: "Name the cells, and why some cannot be measured",
		Long: `List names all cells, one a line, or those that the flags choose, and says of
each whether this build can measure it, or why not.`,
		Example: "  benchrunner list\n  benchrunner list --engine wazero --pattern fire-and-forget --components 1,10,100",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			selection, err := chosen.selection()
			if err != nil {
				return err
			}
			var listed []output.Listed
			for _, key := range selection.Keys() {
				listed = append(listed, output.Listed{Key: key, Reason: catalog().Reason(key)})
			}
			if err := output.List(command.OutOrStdout(), listed); err != nil {
				return &failure{err}
			}
			return nil
		},
	}
	chosen.add(command.Flags())
	return command
}
