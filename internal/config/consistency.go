package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/nearest"
)

// consistency notes contradictions between keys that are right by themselves.
func (d *decoder) consistency() {
	first := map[core.ComponentID]mark{}
	for i := range d.file.Components {
		c, path := &d.file.Components[i], fmt.Sprintf("components[%d]", i)
		d.identity(c, path, first)
		d.restart(&c.Restart, path+".restart")
		d.delivery(c, path)
		d.accept(&c.Accept, path+".accept")
		d.native(c, path)
		d.handlerTime(c, path+".limits")
		d.webAssemblyAlone(c, path+".limits.")
		d.process(c, path)
		d.mailbox(c, path)
		d.subscriptions(c.Subscribe, path+".subscribe")
		d.place(c, path)
		d.directories(c, path)
		d.buckets(c.Capabilities.KeyValue, path+".capabilities.keyvalue")
		d.secrets(c, path)
		d.httpRules(c.Capabilities.HTTP, path+".capabilities.http")
	}
	d.admin(&d.file.Host)
	d.nats(&d.file.Host)
	d.budgets()
	d.providers()
	d.keyValue()
	d.httpOut()
	for path, part := range d.file.Host.parts() {
		if part.Plugin != nil {
			d.extension(part.Plugin, path)
		}
	}
}

func (d *decoder) identity(c *Component, path string, first map[core.ComponentID]mark) {
	path += ".id"
	other, taken := first[c.ID]
	at := d.file.markOf(path)
	switch {
	case c.ID.IsZero():
	case c.ID.Namespace() == core.HostNamespace:
		d.at(path, "%s: the namespace %s is the host's own: choose another", c.ID, core.HostNamespace)
	case taken && other.text != at.text:
		d.at(path, "%s is the id of another component already, in %s, line %d", c.ID, other.text.name, other.line)
	case taken:
		d.at(path, "%s is the id of another component already, in line %d", c.ID, other.line)
	default:
		first[c.ID] = at
	}
}

func (d *decoder) restart(r *Restart, path string) {
	if d.file.given(path+".max_restarts") && r.MaxRestarts == 0 && !d.wrong(path+".max_restarts") {
		d.at(path+".max_restarts", "0 is out of range, want 1 or more, or -1 for no limit (policy: temporary never restarts)")
	}
	if r.MaxBackoff != 0 && r.Backoff > r.MaxBackoff {
		d.at(path+".max_backoff", "is shorter than backoff")
	}
}

func (d *decoder) accept(a *Accept, path string) {
	if a.Burst != 0 && a.MessagesPerSecond == 0 {
		d.at(path+".burst", "needs messages_per_second beside it")
	}
}

// handlerTime notes a bound on running and waiting that is below the one on running.
func (d *decoder) handlerTime(c *Component, limits string) {
	path := limits + ".handler_wall_time"
	handler := cmp.Or(time.Duration(c.Limits.HandlerTime), core.Limits{}.WithDefaults().HandlerTime)
	switch wall := time.Duration(c.Limits.HandlerWallTime); {
	case wall == 0:
	case c.Engine == "native" || c.Engine == "process":
		d.at(path, "is for WebAssembly alone: handler_time is the time that passes on engine %s", c.Engine)
	case wall < handler:
		d.at(path, "is shorter than handler_time (%s), which it includes", d.file.shown(limits+".handler_time", handler.String()))
	}
}

func (d *decoder) native(c *Component, path string) {
	if c.Engine != "native" {
		return
	}
	if len(c.SHA256) > 0 {
		d.at(path+".sha256", "is for a source that is a file, and a native component is part of airhost: leave it out")
	}
	if c.Source != "" && !slices.Contains(d.built.Native, c.Source) {
		d.at(path+".source", "the native engine has no component %q, %s", clip(c.Source), suggest(c.Source, d.built.Native))
	}
}

// mailbox notes a mailbox that has no place for a message of the largest size.
func (d *decoder) mailbox(c *Component, path string) {
	limits := core.Limits{MailboxBytes: int64(c.Limits.MailboxBytes), MessageSize: int(c.Quota.MessageSize)}.WithDefaults()
	size := int64(limits.MessageSize)
	bytesPath, sizePath := path+".limits.mailbox_bytes", path+".quota.message_size"
	at, other := bytesPath, sizePath
	if !d.file.given(at) && d.file.given(other) {
		at, other = other, at
	}
	if size > limits.MailboxBytes-core.MessageOverhead && !d.wrong(at) && !d.wrong(other) {
		d.at(at, "limits.mailbox_bytes (%s) has no place for a message of quota.message_size (%s), which takes %d bytes more",
			d.file.shown(bytesPath, sizeText(limits.MailboxBytes)), d.file.shown(sizePath, sizeText(size)), core.MessageOverhead)
	}
}

func sizeText(n int64) string {
	text, _ := Size(n).MarshalText() // it does not fail
	return string(text)
}

// webAssemblyAlone notes limits that the component's engine does not keep.
func (d *decoder) webAssemblyAlone(c *Component, path string) {
	instead := ""
	switch c.Engine {
	case "process":
		instead = "; what bounds a process is in process: memory, open_files and cpu_time"
	case "native":
		instead = "; what is native is bounded in time, messages and log lines alone"
	default:
		return
	}
	for _, key := range webAssemblyLimits {
		if d.file.given(path+key) && (key != "fuel" || c.Limits.Fuel > 0) {
			d.at(path+key, "is for WebAssembly alone%s", instead)
		}
	}
}

// process notes keys that do not belong to the component's engine.
func (d *decoder) process(c *Component, path string) {
	for _, no := range []struct {
		key  string
		when bool
		why  string
	}{
		{".process", c.Engine != "process", "is for the process engine alone"},
		{".env", c.Engine == "native", "is for processes and WebAssembly alone"},
		{".args", c.Engine == "process", "is for WebAssembly alone; the arguments of a process are process.args"},
		{".args", c.Engine == "native", "is for WebAssembly alone"},
	} {
		if no.when && d.file.given(path+no.key) {
			d.at(path+no.key, "%s, this component's engine is %s", no.why, c.Engine)
		}
	}
	d.variables(c.Env, path)
	for i, argument := range c.Args {
		if strings.Contains(argument, "\x00") {
			d.at(fmt.Sprintf("%s.args[%d]", path, i), "an argument must have no byte 0")
		}
	}
}

// Warnings returns probable mistakes that are allowed: budgets of namespaces, capabilities for
// functions, buckets and targets, secrets that others may read, targets of routes and schedules, and topics, that the file does not have.
// Targets, publishers and subscribers may be anywhere if the broker may know other hosts; then there are
// warnings for subscriptions in which these have no part.
func (f *File) Warnings() Mistakes {
	var warnings Mistakes
	for _, path := range f.unmatched {
		warnings = append(warnings, f.Mistake(path, "no file matches it"))
	}
	warnings = append(warnings, f.idleBudgets()...)
	warnings = append(warnings, f.openSecrets()...)
	for i := range f.Components {
		granted := f.Components[i].Capabilities
		path := fmt.Sprintf("components[%d].capabilities.", i)
		warnings = append(warnings, f.uncallable(path+"call", granted.Call)...)
		warnings = append(warnings, f.unstored(path+"keyvalue", granted.KeyValue)...)
		if f.Host.mayBeJoined() {
			continue
		}
		warnings = append(warnings, f.pointless(path+"send", granted.Send)...)
		warnings = append(warnings, f.pointless(path+"request", granted.Request)...)
	}
	if !f.Host.mayBeJoined() {
		warnings = append(warnings, f.strangers()...)
		warnings = append(warnings, f.silent()...)
	}
	if f.Host.UsesNATS() {
		warnings = append(append(warnings, f.unshared()...), f.stays()...)
	}
	return warnings
}

func (f *File) pointless(path string, patterns []core.IDPattern) Mistakes {
	var warnings Mistakes
	for i, pattern := range patterns {
		matches := func(c Component) bool { return pattern.Matches(c.ID) }
		if slices.ContainsFunc(f.Components, matches) {
			continue
		}
		text := fmt.Sprintf("no component of this file matches %s", pattern)
		if near := nearest.Of(pattern.String(), f.IDs()); near != "" {
			text += fmt.Sprintf(", did you mean %q?", near)
		}
		warnings = append(warnings, f.Mistake(fmt.Sprintf("%s[%d]", path, i), text))
	}
	return warnings
}

// noComponent is the text about a component that is not in the file.
func (f *File) noComponent(id core.ComponentID) string {
	text := fmt.Sprintf("this file has no component %s", id)
	if near := nearest.Of(id.String(), f.IDs()); near != "" {
		text += fmt.Sprintf(", did you mean %q?", near)
	}
	return text
}

// IDs returns the components' ids, in the order of the file.
func (f *File) IDs() []string {
	ids := make([]string, len(f.Components))
	for i := range f.Components {
		ids[i] = f.Components[i].ID.String()
	}
	return ids
}
