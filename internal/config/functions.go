package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/nearest"
)

// Function is a function that a component provides.
type Function struct {
	Component     core.ComponentID `yaml:"component" jsonschema:"required" jsonschema_description:"The component of this file that provides the function: its handle-message is called with the caller as sender, and its response is the result."`
	Timeout       Duration         `yaml:"timeout,omitempty" jsonschema:"minimum=1ms,maximum=24h" jsonschema_description:"How long a call may take; without a limit by default but the caller's: nine tenths of its handler_wall_time, and the deadline of the request that it handles."`
	MaxConcurrent int              `yaml:"max_concurrent,omitempty" jsonschema:"minimum=1,maximum=1000000,default=64" jsonschema_description:"How many calls may run and wait at the same time; one more gets unavailable."`
}

// providers notes functions with names of the host's own namespace, and those whose component is
// not in the file, unless the broker may know other hosts.
func (d *decoder) providers() {
	for _, name := range slices.SortedFunc(maps.Keys(d.file.Functions), byText) {
		if name.Namespace() == core.HostNamespace {
			d.at("functions."+name.String(), "the namespace %s is the host's own: choose another name", core.HostNamespace)
		}
	}
	if d.file.Host.Broker.Plugin != nil {
		return
	}
	for _, name := range slices.SortedFunc(maps.Keys(d.file.Functions), byText) {
		id, path := d.file.Functions[name].Component, "functions."+name.String()+".component"
		matches := func(c Component) bool { return c.ID == id }
		if id.IsZero() || slices.ContainsFunc(d.file.Components, matches) {
			continue
		}
		d.at(path, "%s", d.file.noComponent(id))
	}
}

func byText(a, b core.ComponentID) int { return strings.Compare(a.String(), b.String()) }

// uncallable returns warnings for capabilities that match no function of the file.
func (f *File) uncallable(path string, patterns []core.IDPattern) Mistakes {
	var warnings Mistakes
	for i, pattern := range patterns {
		if slices.ContainsFunc(slices.Collect(maps.Keys(f.Functions)), pattern.Matches) {
			continue
		}
		text := fmt.Sprintf("no function of this file matches %s", pattern)
		var names []string
		for _, name := range slices.SortedFunc(maps.Keys(f.Functions), byText) {
			names = append(names, name.String())
		}
		if near := nearest.Of(pattern.String(), names); near != "" {
			text += fmt.Sprintf(", did you mean %q?", near)
		}
		warnings = append(warnings, f.Mistake(fmt.Sprintf("%s[%d]", path, i), text))
	}
	return warnings
}
