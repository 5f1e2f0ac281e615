package main

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func (p *program) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages of all commands into a directory",
		Long: `man writes the manual pages of airhost and all of its commands, airhost.1 and so on,
into a directory, which it makes if it is not there. Releases have them already.`,
		Example: "  airhost man ~/.local/share/man/man1\n  man airhost-apply",
		Args:    arguments("DIR"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, noFiles
			}
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: p.work(func(_ context.Context, args []string) error { return p.writePages(args[0]) }),
	}
}

// writePages writes the pages of all commands. Their date is that of the program's commit, so that
// two runs of one version write the same bytes.
func (p *program) writePages(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return wrongUse{err}
	}
	root := p.root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "1", Source: "airhost " + moduleVersion(), Manual: "airhost", Date: committed()}
	err := doc.GenManTree(root, header, folder)
	if errors.Is(err, os.ErrPermission) {
		err = wrongUse{err}
	}
	return err
}

// committed is the time of the program's commit; nil if Go has not recorded it.
func committed() *time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, setting := range info.Settings {
		if setting.Key != "vcs.time" {
			continue
		}
		if at, err := time.Parse(time.RFC3339, setting.Value); err == nil {
			return &at
		}
	}
	return nil
}
