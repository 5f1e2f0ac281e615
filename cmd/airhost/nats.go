package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/service"
)

func (p *program) natsCommand() *cobra.Command {
	command := &cobra.Command{
		Use:     "nats",
		Short:   "Set up NATS for hosts that are joined by it",
		Long:    `nats has what the servers need for hosts with "broker: nats".`,
		Example: "  airhost nats permissions airhost.yaml --output text",
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	command.AddCommand(p.permissionsCommand())
	return command
}

func (p *program) permissionsCommand() *cobra.Command {
	output := formatJSON
	command := &cobra.Command{
		Use:   "permissions FILE",
		Short: "Print the permissions in NATS that the host of a file needs",
		Long: `permissions prints the subjects that the host of a configuration file publishes to
and subscribes to, and no more: what its components may message by their
capabilities send and request, the targets of its gateway and its schedules, the topics
of capabilities.publish and of subscribe, its own components, and the host's own subjects.
It connects to nothing.

With --output text it prints the authorization of a nats-server.conf with a user for
the host. The password is in no output: the server takes it from a variable of its
environment. Where the permissions are wider than need be, a note says so.`,
		Example: `  airhost nats permissions airhost.yaml | jq .permissions
  airhost nats permissions airhost.yaml --output text > authorization.conf`,
		Args: func(c *cobra.Command, args []string) error {
			if output != formatJSON && output != formatText {
				return fmt.Errorf("--output is %q, want %s or %s", output, formatJSON, formatText)
			}
			return arguments("FILE")(c, args)
		},
		ValidArgsFunction: completeFile,
		RunE:              p.work(func(_ context.Context, args []string) error { return p.permissions(args[0], output) }),
	}
	command.Flags().StringVar(&output, "output", formatJSON, "how the result is written: json or text")
	complete(command, "output", formatJSON, formatText)
	return command
}

// natsPermissions is the output of nats permissions. What is below permissions may be put into a
// nats-server.conf as it is.
type natsPermissions struct {
	Cluster     string      `json:"cluster"`
	Host        string      `json:"host,omitempty"`
	Permissions permissions `json:"permissions"`
	Notes       []string    `json:"notes,omitempty"`
}

type permissions struct {
	Publish   allowed `json:"publish"`
	Subscribe allowed `json:"subscribe"`
}

type allowed struct {
	Allow []string `json:"allow"`
}

func (p *program) permissions(path, output string) error {
	file, err := config.Load(path, service.Built())
	if err != nil {
		return err
	}
	if !file.Host.UsesNATS() {
		return config.Mistakes{file.Mistake("host.broker", "a host without the broker nats uses no subjects: set host.broker to nats")}
	}
	grant := service.Permissions(file)
	all := permissions{allowed{grant.Publish}, allowed{grant.Subscribe}}
	if output == formatJSON {
		return p.writeJSON(natsPermissions{grant.Cluster, grant.Host, all, grant.Notes})
	}
	user, notes, err := natsUser(file.Host.NATS)
	if err != nil {
		return wrongUse{err}
	}
	return p.writeText(authorization(filepath.Base(path), user, append(grant.Notes, notes...), all))
}

// authorization is the block of a nats-server.conf with one user.
func authorization(file, user string, notes []string, all permissions) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# For the host of %s, by airhost nats permissions.\n", printable(file))
	for _, note := range notes {
		fmt.Fprintf(&b, "# Note: %s.\n", printable(note))
	}
	fmt.Fprintf(&b, "authorization {\n  users: [\n    {\n%s      permissions: {\n", user)
	for _, part := range []struct {
		name     string
		subjects []string
	}{{"publish", all.Publish.Allow}, {"subscribe", all.Subscribe.Allow}} {
		fmt.Fprintf(&b, "        %s: {\n          allow: [\n", part.name)
		for _, subject := range part.subjects {
			fmt.Fprintf(&b, "            %q\n", subject)
		}
		b.WriteString("          ]\n        }\n")
	}
	b.WriteString("      }\n    }\n  ]\n}\n")
	return b.String()
}

// passwordVariable is that from which the server takes the password.
const passwordVariable = "AIRHOST_NATS_PASSWORD"

// natsUser returns the lines by which a server knows the host, and notes about them.
func natsUser(n config.NATS) (lines string, notes []string, err error) {
	if n.NKey != "" {
		key, err := nats.PublicKey(n.NKey)
		return fmt.Sprintf("      nkey: %q\n", key), nil, err
	}
	first, _, _ := strings.Cut(n.URL, ",")
	name, password := string(n.Name), false
	if u, err := url.Parse(strings.TrimSpace(first)); err == nil && u.User != nil {
		if _, password = u.User.Password(); password {
			name = u.User.Username()
		} else {
			notes = append(notes, "host.nats.url has a token, for which NATS has no permissions: give it a name and a password")
		}
	}
	switch {
	case n.Credentials != "":
		notes = append(notes, "the permissions of a user with credentials are in them, not in this file: set them with nsc edit user --allow-pub and --allow-sub")
	case password:
	case n.TLS.Certificate != "":
		notes = append(notes, "with verify_and_map in the server's tls the user is the name that the host's certificate has, without a password")
	default:
		notes = append(notes, "host.nats.url has no name and password yet: give it those of this user, such as nats://NAME:${"+passwordVariable+"}@HOST")
	}
	quoted, err := json.Marshal(cmp.Or(name, "airhost"))
	return fmt.Sprintf("      user: %s\n      password: $%s\n", quoted, passwordVariable), notes, err
}

// online connects to the servers of a file, and says what it found.
func (p *program) online(ctx context.Context, file *config.File) error {
	if !file.Host.UsesNATS() {
		return p.writeText("online: nothing to connect to, since the host's broker is not nats\n")
	}
	found, err := service.Online(ctx, file)
	if stop := stopped(ctx, "checking"); stop != nil {
		return stop
	}
	if found != "" {
		if err := p.writeText("online: " + printable(found) + "\n"); err != nil {
			return err
		}
	}
	return err
}
