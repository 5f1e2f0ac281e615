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

// outputDelay bounds the wait for output that descendants of the process may still
// hold open.
const outputDelay = 2 * time.Second

// child shows a Process to go-plugin. go-plugin reads the first line of its output,
// if the line is valid, and nothing else.
type child struct{ *Process }

var _ runner.Runner = child{}

// runner is called by go-plugin. given has the variables of the handshake.
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

// Kill does nothing: start ends a process whose handshake failed, after the process
// had time to write its last words.
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
