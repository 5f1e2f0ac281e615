package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/service"
)

// The variables that name a running host.
const (
	hostVariable  = "AIRHOST_HOST"
	tokenVariable = "AIRHOST_TOKEN_FILE"
)

const formatTable = "table"

// operation is a command that talks to a running host.
type operation struct {
	*program
	address, tokenFile string // of the flags
	output             string // the format of the result
	file               string // FILE, if it was given
	client             *admin.Client
}

// command makes the command. do gets the arguments without FILE; formats are the values of
// --output, the default first.
func (o *operation) command(c *cobra.Command, formats []string, do func(ctx context.Context, args []string) error) *cobra.Command {
	o.flags(c)
	if len(formats) > 0 {
		c.Flags().StringVar(&o.output, "output", formats[0], "how the result is written: "+strings.Join(formats, " or "))
		complete(c, "output", formats...)
	}
	rest := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		_, args = splitFile(args)
		if len(formats) > 0 && !slices.Contains(formats, o.output) {
			return fmt.Errorf("--output is %q, want %s", o.output, strings.Join(formats, " or "))
		}
		return rest(c, args)
	}
	c.RunE = o.work(func(ctx context.Context, args []string) error {
		o.file, args = splitFile(args)
		if err := o.find(); err != nil {
			return err
		}
		defer o.client.Close()
		return o.explain(ctx, do(ctx, args))
	})
	return c
}

// flags adds the flags that name a host.
func (o *operation) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.address, "host", "", "the running host: the path of its socket, or host:port (default: "+hostVariable+", else the host of FILE)")
	c.Flags().StringVar(&o.tokenFile, "token-file", "", "the file with the token of a host at host:port (default: "+tokenVariable+", else host.admin_token_file of FILE)")
}

// hostHelp tells in the help of each command how it finds the host.
const hostHelp = `

The host is the one at --host, else at AIRHOST_HOST, else the one that was started
with FILE, which ends in .yaml or .yml.`

// splitFile takes the configuration file off the arguments, if the first one is one.
func splitFile(args []string) (file string, rest []string) {
	if len(args) > 0 && isFile(args[0]) {
		return args[0], args[1:]
	}
	return "", args
}

// find makes the client for the host. It does not connect yet.
func (o *operation) find() error {
	address := cmp.Or(o.address, os.Getenv(hostVariable))
	var file config.Admin
	if o.file != "" {
		var err error
		if file, err = config.LoadAdmin(o.file, service.Built()); err != nil && address == "" {
			return err
		}
	}
	switch {
	case strings.Contains(address, "://"):
		return wrongUse{fmt.Errorf("the host is %q, want the path of a socket, or host:port", address)}
	case address != "":
	case o.file == "":
		return wrongUse{errors.New("no host is named: give the FILE that it was started with (it ends in .yaml or .yml), --host ADDRESS, or the variable " + hostVariable)}
	case file.Address == config.AdminOff:
		return wrongUse{fmt.Errorf("%s has host.admin: off, so its host takes no commands: remove that line and start it again", o.file)}
	default:
		var err error
		if address, err = addressOf(file.Address, o.file); err != nil {
			return err
		}
	}
	token, err := readToken(cmp.Or(o.tokenFile, os.Getenv(tokenVariable), file.TokenFile))
	o.client = admin.NewClient(address, token)
	return err
}

func readToken(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	token, err := admin.ReadToken(path)
	if err != nil {
		err = wrongUse{fmt.Errorf("token: %w", err)}
	}
	return token, err
}

// isFile reports whether an argument is a configuration file.
func isFile(argument string) bool {
	return strings.HasSuffix(argument, ".yaml") || strings.HasSuffix(argument, ".yml")
}

// explain makes an error of a client one for the user, with its exit code.
func (o *operation) explain(ctx context.Context, err error) error {
	var answered *admin.Error
	switch stop := stopped(ctx, "waiting for the host"); {
	case err == nil, errors.As(err, new(explained)):
		return err
	case stop != nil && errors.Is(err, context.Canceled):
		return stop
	case errors.As(err, &answered):
		return o.answered(answered, err)
	case errors.Is(err, admin.ErrUnreachable):
		return o.unreachable(err)
	}
	return err
}

// answered explains an error of the host's.
func (o *operation) answered(a *admin.Error, err error) error {
	switch {
	case a.Status == http.StatusUnauthorized:
		return fmt.Errorf("the host at %s wants its token, the text of its host.admin_token_file: give that file by --token-file or %s", o.client.Address(), tokenVariable)
	case len(a.Mistakes) > 0:
		var all config.Mistakes
		for _, m := range a.Mistakes {
			at := m.Place
			all = append(all, &config.Mistake{File: at.File, Line: at.Line, Column: at.Column, Path: at.Path, Text: m.Message, Excerpt: at.Excerpt})
		}
		return all
	case a.Code == admin.CodeInvalidConfiguration || a.Code == admin.CodeInvalidRequest:
		return wrongUse{err}
	}
	return err
}

// explained is an error that explain has made.
type explained struct{ error }

func (e explained) Unwrap() error { return e.error }

// unreachable explains that no host answers.
func (o *operation) unreachable(err error) error {
	address := o.client.Address()
	start := "start one with `airhost run " + cmp.Or(o.file, "FILE") + "`"
	switch {
	case errors.Is(err, fs.ErrPermission) && admin.IsSocket(address):
		return explained{fmt.Errorf("no permission to talk to the host at %s%s", address, ownerOf(address))}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return explained{fmt.Errorf("%w at %s: %s", admin.ErrUnreachable, address, start)}
	}
	return explained{fmt.Errorf("%w: %s, or name another one by --host", err, start)}
}

// ofID explains an error about a component: an id that the host does not have gets the nearest
// one that it has.
func (o *operation) ofID(ctx context.Context, id core.ComponentID, err error) error {
	var answered *admin.Error
	if !errors.As(err, &answered) || answered.Status != http.StatusNotFound {
		return err
	}
	all, failed := o.client.Components(ctx)
	if failed != nil {
		return err
	}
	if unknown := hasTarget(idsOf(all), "the host at "+o.client.Address(), id.String()); unknown != nil {
		return unknown
	}
	return err
}

func idsOf(all []admin.Component) (ids []string) {
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	return ids
}

// parseID reads the argument ID.
func parseID(text string) (core.ComponentID, error) {
	id, err := core.ParseComponentID(text)
	if err != nil {
		return id, wrongUse{fmt.Errorf("ID: %w", err)}
	}
	return id, nil
}
