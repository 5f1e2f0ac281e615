package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airhost/airhost/admin"
)

// psCluster lists the hosts of a cluster and their components.
func (o *operation) psCluster(ctx context.Context) error {
	c, err := o.client.Cluster(ctx)
	if err != nil {
		return err
	}
	if o.output == formatJSON {
		return o.writeJSON(c)
	}
	text := clusterText(c) + hostTable(c).String()
	if components := clusterTable(c); len(components.rows) > 1 {
		text += "\n" + components.String()
	}
	for _, h := range c.Hosts {
		if h.State != nil && h.State.Total > len(h.State.Components) {
			text += fmt.Sprintf("%s has more components: %d\n", printable(h.Name), h.State.Total-len(h.State.Components))
		}
	}
	return o.writeText(text)
}

// clusterText is a line about the cluster and the connection of the host that has answered.
func clusterText(c *admin.Cluster) string {
	state := "connected to"
	if !c.Connected {
		state = "disconnected from"
	}
	text := fmt.Sprintf("cluster %s: %s %s since %s", printable(c.Name), state, printable(c.Server), timeText(c.Since))
	if c.Reconnects > 0 {
		text += fmt.Sprintf(", reconnects: %d", c.Reconnects)
	}
	return text + "\n\n"
}

func hostTable(c *admin.Cluster) *table {
	t := newTable("HOST", "LABELS", "SINCE", "VERSION", "STATE", ">COMPONENTS")
	for _, h := range c.Hosts {
		name := h.Name
		if h.Self {
			name += " (this host)"
		}
		version, components := "-", "-"
		if h.State != nil {
			version, components = h.State.Version, fmt.Sprint(h.State.Total)
		}
		t.add(name, labelText(h.Labels), timeText(h.Since), version, hostState(c, h), components)
	}
	return t
}

func labelText(labels map[string]string) string {
	if len(labels) == 0 {
		return "-"
	}
	var all []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, key+"="+labels[key])
	}
	return strings.Join(all, ",")
}

// hostState is the state of a host, as far as it is known: it tells its state over its own connection.
func hostState(c *admin.Cluster, h admin.ClusterHost) string {
	if h.State == nil {
		return "unknown: " + clipped(h.Error, lastErrorWidth)
	}
	state := "connected"
	switch {
	case h.Self && !c.Connected:
		state = "disconnected"
	case !h.State.Ready:
		state = "connected, not ready"
	}
	if h.State.Drain != "" {
		state += ", " + h.State.Drain
	}
	return state
}

func clusterTable(c *admin.Cluster) *table {
	stored := storedColumn{at: 6}
	for _, h := range c.Hosts {
		stored.shown = stored.shown || h.State != nil && slices.ContainsFunc(h.State.Components, func(c admin.ClusterComponent) bool { return c.Durable })
	}
	t := newTable(stored.heading("HOST", "COMPONENT", "ENGINE", "STATE", ">INSTANCES", ">WAITING", ">RATE", ">MEMORY", ">HANDLED", ">ERRORS", ">RESTARTS")...)
	for _, h := range c.Hosts {
		if h.State == nil {
			continue
		}
		for _, one := range h.State.Components {
			state := stateText(admin.Component{State: one.State, Health: one.Health, Required: one.Required})
			t.add(stored.cell(one.Durable, one.Stored, h.Name, one.ID, one.Engine, state, fmt.Sprint(one.Instances), fmt.Sprint(one.Waiting), rate(one.Rate), some(one.Memory),
				fmt.Sprint(one.Handled), fmt.Sprint(one.Errors), fmt.Sprint(one.Restarts))...)
		}
	}
	return t
}
