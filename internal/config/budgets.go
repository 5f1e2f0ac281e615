package config

import (
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/nearest"
)

// budgets notes contradictions between budgets and the components that they bound.
func (d *decoder) budgets() {
	for _, namespace := range slices.Sorted(maps.Keys(d.file.Budgets)) {
		b, path := d.file.Budgets[namespace], "budgets."+namespace
		if _, err := core.ParseComponentID(namespace + "/x"); err != nil || namespace == core.HostNamespace {
			d.at(path, "%q is no namespace of components: want the part of their ids before the slash", clip(namespace))
			continue
		}
		if b.Burst != 0 && b.MessagesPerSecond == 0 {
			d.at(path+".burst", "needs messages_per_second beside it")
		}
		if b.Memory != 0 {
			d.memory(namespace, int64(b.Memory), path+".memory")
		}
	}
}

// memory notes that the components of a namespace may take more memory than its budget has, or
// that nothing bounds the memory that they take.
func (d *decoder) memory(namespace string, most int64, path string) {
	var all int64
	for i := range d.file.Components {
		c := &d.file.Components[i]
		if c.ID.IsZero() || c.ID.Namespace() != namespace {
			continue
		}
		if c.Engine == "native" || c.Engine == "process" {
			d.at(fmt.Sprintf("components[%d].engine", i), "%s has no limits.memory, which %s needs: choose another engine, or another namespace", c.Engine, path)
		}
		instances := int64(max(1, c.Instances))
		if c.Instances < 0 {
			instances = int64(min(runtime.GOMAXPROCS(0), maxInstances))
		}
		all += instances * core.Limits{Memory: int64(c.Limits.Memory)}.WithDefaults().Memory
	}
	if all > most && !d.wrong(path) {
		d.at(path, "%s is less than limits.memory of all instances together, which is %s", d.file.shown(path, sizeText(most)), sizeText(all))
	}
}

// idleBudgets returns a warning for each budget that bounds no component of the file.
func (f *File) idleBudgets() Mistakes {
	var warnings Mistakes
	for _, namespace := range slices.Sorted(maps.Keys(f.Budgets)) {
		inside := func(c Component) bool { return c.ID.Namespace() == namespace }
		if slices.ContainsFunc(f.Components, inside) {
			continue
		}
		var namespaces []string
		for _, c := range f.Components {
			namespaces = append(namespaces, c.ID.Namespace())
		}
		text := "no component of this file is in the namespace " + namespace
		if near := nearest.Of(namespace, namespaces); near != "" {
			text += fmt.Sprintf(", did you mean %q?", near)
		}
		warnings = append(warnings, f.Mistake("budgets."+namespace, text))
	}
	return warnings
}
