package spawn

import (
	"context"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin/runner"
)

// outputDelay is how long output is waited for that the process's descendants
// may still hold open.
const outputDelay = 2 * time.Second

// child is a Process as go-plugin sees it: it is told the first line alone, and
// that one only if it is sound.
type child struct{ *Process }

var _ runner.Runner = child{}

// runner is called by go-plugin with the variables that the handshake needs.
func (p *Process) runner(_ hclog.Logger, given *exec.Cmd, dir string) (runner.Runner, error) {
	p.dir = dir
	p.cmd = &exec.Cmd{
		Path:        p.command.Path,
		Args:        append([]string{p.command.Path}, p.command.Args...),
		Env:         append(append([]string{}, p.command.Env...), given.Env...),
		Stdout:      p.stdout,
		Stderr:      p.stderr,
		WaitDelay:   outputDelay,
		SysProcAttr: attributes(),
	}
	return child{p}, nil
}

func (c child) Start(context.Context) error {
	launched := make(chan error, 1)
	go c.run(launched)
	return <-launched
}

func (c child) Wait(context.Context) error {
	<-c.exited
	return c.Err()
}

// Kill does nothing: Start ends a process without a handshake, once it has had the
// time to say why.
func (c child) Kill(context.Context) error { return nil }

func (c child) Stdout() io.ReadCloser           { return io.NopCloser(c.stdout.handshake) }
func (c child) Stderr() io.ReadCloser           { return io.NopCloser(strings.NewReader("")) }
func (c child) Name() string                    { return c.command.Path }
func (c child) ID() string                      { return c.command.Path }
func (c child) Diagnose(context.Context) string { return "" }

func (c child) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

func (c child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
