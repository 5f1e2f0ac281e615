package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
)

// NATS is the configuration of the broker nats of a file.
func NATS(file *config.File) nats.Config {
	n := file.Host.NATS
	c := nats.Config{
		URL: n.URL, Cluster: string(n.Cluster), Host: string(n.Name), Credentials: n.Credentials, NKey: n.NKey,
		CA: n.TLS.CA, Certificate: n.TLS.Certificate, Key: n.TLS.Key, Lease: time.Duration(n.Lease), Replicas: n.Replicas,
	}
	for key, label := range n.Labels {
		if c.Labels == nil {
			c.Labels = make(map[string]string)
		}
		c.Labels[key] = string(label)
	}
	return c
}

// CheckNATS returns a mistake if the files of host.nats are none that a host could use.
func CheckNATS(file *config.File) error {
	if !file.Host.UsesNATS() {
		return nil
	}
	if _, err := nats.New(NATS(file)); err != nil {
		return config.Mistakes{file.Mistake("host.nats", err.Error())}
	}
	return nil
}

// natsTime is how long a start waits for a NATS server.
const natsTime = 15 * time.Second

// awaitNATS waits until a NATS server takes the host, if the file has the broker nats.
func awaitNATS(ctx context.Context, file *config.File, log *slog.Logger) error {
	if !file.Host.UsesNATS() {
		return nil
	}
	c := NATS(file)
	c.Logger = log
	within, cancel := context.WithTimeout(ctx, natsTime)
	defer cancel()
	err := nats.Await(within, c)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// startContext is the context of a host's start, which waits for a server alone.
func startContext(ctx context.Context, file *config.File) (context.Context, context.CancelFunc) {
	if !file.Host.UsesNATS() {
		return context.WithoutCancel(ctx), func() {}
	}
	return context.WithTimeout(ctx, natsTime)
}

// Grant are the permissions in NATS of a host, with remarks about them.
type Grant struct {
	nats.Permissions
	Cluster string
	Host    string // empty if the host has a name by chance
	Durable bool   // some component has a durable mailbox
	Notes   []string
}

// Permissions returns the permissions in NATS that a host of a file needs: what its components,
// its gateway and its schedules may message, the topics on which its components may publish and to which
// they have subscribed, and what comes to it.
func Permissions(file *config.File) Grant {
	c := NATS(file)
	g := Grant{Cluster: c.Cluster, Host: c.Host}
	if g.Cluster == "" {
		g.Cluster = nats.DefaultCluster
	}
	var own, durable []core.ComponentID
	var targets, sends []core.IDPattern
	var published, subscribed []core.TopicPattern
	for i := range file.Components {
		own = append(own, file.Components[i].ID)
		granted := file.Components[i].Capabilities
		targets = append(append(targets, granted.Send...), granted.Request...)
		published = append(published, granted.Publish...)
		for _, s := range file.Components[i].Subscribe {
			subscribed = append(subscribed, s.Topic)
		}
		sends = append(sends, granted.Send...)
		if file.Components[i].Delivery == string(host.DeliveryDurable) {
			durable = append(durable, file.Components[i].ID)
		}
	}
	for _, id := range wayTargets(file) {
		if pattern, err := core.ParseIDPattern(id.String()); err == nil { // ids are patterns
			targets, sends = append(targets, pattern), append(sends, pattern)
		}
	}
	g.Durable = len(durable) > 0
	g.Permissions = nats.NewPermissions(c.Cluster, c.Host, own, targets).WithMail(c.Cluster, c.Host, durable, sends).WithTopics(c.Cluster, published, subscribed)
	if file.PlacesAny() {
		g.Permissions = g.WithPlacement(c.Cluster, c.Host)
	}
	if keyValueInNATS(file) {
		g.Permissions = g.WithKeyValue(c.Cluster, c.Host)
	}
	if c.Host == "" {
		g.Notes = append(g.Notes, "host.nats.name is not set, so that the host's name is known when it starts: the permissions are those of any host of the cluster, whose outcomes and receipts it may read")
	}
	if file.Host.NATS.Embedded {
		g.Notes = append(g.Notes, "the embedded server keeps no host to these permissions: use a nats-server for that")
	}
	return g
}

// wayTargets are the components that the ways in message.
func wayTargets(file *config.File) (all []core.ComponentID) {
	for _, r := range file.Gateway.HTTP.Routes {
		all = append(all, r.Target)
	}
	for _, s := range file.Schedules {
		all = append(all, s.Target)
	}
	return all
}

// Online connects to a NATS server as the host of a file. It returns a sentence about that which
// it found, and an error if the host cannot work with it.
func Online(ctx context.Context, file *config.File) (string, error) {
	grant := Permissions(file)
	found, err := nats.Probe(ctx, NATS(file), grant.Permissions)
	if file.Host.NATS.Embedded && errors.Is(err, syscall.ECONNREFUSED) {
		return "the NATS server is the host's own, which does not run", nil
	}
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s (%s, NATS %s): cluster %s, messages up to %d bytes", found.URL, found.Name, found.Version, found.Cluster, found.MaxPayload)
	if id, most := largest(file); most > found.MaxPayload {
		text += fmt.Sprintf(", but quota.message_size of %s is %d: messages to other hosts that are larger are refused, unless the server's max_payload is raised", id, most)
	}
	for _, warning := range found.Warnings {
		text += ", but " + warning
	}
	if len(found.Refused) > 0 {
		return text, fmt.Errorf("%s does not permit the host to %s: airhost nats permissions has all that it needs", found.URL, strings.Join(found.Refused, ", to "))
	}
	for _, probe := range probes(file, grant) {
		warning, err := probe(ctx)
		if warning != "" {
			text += ", but " + warning
		}
		if err != nil {
			return text, err
		}
	}
	return text, nil
}

// probes are what a file needs of JetStream.
func probes(file *config.File, grant Grant) (all []func(context.Context) (string, error)) {
	if grant.Durable {
		all = append(all, func(ctx context.Context) (string, error) { return nats.ProbeMail(ctx, NATS(file)) })
	}
	if keyValueInNATS(file) {
		all = append(all, func(ctx context.Context) (string, error) { return probeStore(ctx, file) })
	}
	return all
}

// largest returns the component that may send the largest messages.
func largest(file *config.File) (id core.ComponentID, most int) {
	size := func(c config.Component) int {
		return core.Limits{MessageSize: int(c.Quota.MessageSize)}.WithDefaults().MessageSize
	}
	if len(file.Components) == 0 {
		return id, 0
	}
	c := slices.MaxFunc(file.Components, func(a, b config.Component) int { return size(a) - size(b) })
	return c.ID, size(c)
}
