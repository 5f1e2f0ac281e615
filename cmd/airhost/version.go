package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/parts"
	"github.com/airhost/airhost/internal/service"
)

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

// release is the version that scripts/release.sh builds. Other builds have the
// version that Go recorded.
var release string

// moduleVersion is the version of airhost.
func moduleVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return cmp.Or(release, info.Main.Version)
	}
	return "(unknown)"
}

// version says of which version airhost and its engines are, and which parts it has.
func version() string {
	versions := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			versions[dep.Path] = dep.Version
		}
	}
	var text strings.Builder
	line := func(name, value string) { fmt.Fprintf(&text, "%-9s %s\n", name, value) }
	vocabulary := service.Built()
	line("airhost", moduleVersion())
	line("go", fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH))
	line("engines", offered(vocabulary.Engines))
	line("brokers", offered(vocabulary.Brokers))
	line("trackers", offered(vocabulary.Trackers))
	for _, e := range parts.Engines {
		switch {
		case e.Library == "":
		case e.LeftOut != "":
			line(e.Name, "left out: "+e.LeftOut)
		default:
			line(e.Name, versions[e.Library])
		}
	}
	if vocabulary.NATSServer == "" {
		line("nats", versions["github.com/nats-io/nats-server/v2"])
	}
	return text.String()
}

// offered lists the choices that are not left out.
func offered(choices []config.Choice) string {
	var names []string
	for _, c := range choices {
		if c.LeftOut == "" {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}
