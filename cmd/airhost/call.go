package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/service"
)

func (p *program) callCommand() *cobra.Command {
	d := &delivery{operation: operation{program: p}, answers: true}
	command := d.command("call", "Send one request and print the response", `call sends one request to the component TARGET, and writes the response's bytes to
standard output, with nothing added; on a terminal, a response without a line end
gets one. When the request fails, the reason is on standard error and the exit code
is 1.`,
		d.call)
	command.Flags().DurationVar(&d.timeout, "timeout", 0, "how long to wait for the response (default: host.request_timeout)")
	d.toHost = d.callHost
	return command
}

func (d *delivery) call(ctx context.Context, a *service.Service, target core.ComponentID, message []byte) error {
	response, err := request(ctx, a, target, message, d.timeout)
	if err == nil {
		err = d.print(response)
	}
	d.settle(ctx, a)
	return err
}

// callHost sends the request to a running host.
func (d *delivery) callHost(ctx context.Context, target core.ComponentID, message []byte) error {
	response, err := d.client.Request(ctx, target, message, d.timeout)
	var answered *admin.Error
	switch {
	case err == nil:
		return d.print(response)
	case d.timeout > 0 && errors.As(err, &answered) && answered.Code == core.ReasonTimeout.String():
		return noResponse(target, d.timeout)
	}
	return err
}

func request(ctx context.Context, a *service.Service, target core.ComponentID, message []byte, timeout time.Duration) ([]byte, error) {
	if timeout == 0 {
		return a.Request(ctx, target, message)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	response, err := a.Request(ctx, target, message)
	if errors.Is(err, context.DeadlineExceeded) {
		err = noResponse(target, timeout)
	}
	return response, err
}

func noResponse(target core.ComponentID, timeout time.Duration) error {
	return fmt.Errorf("request to %s: timeout: no response within %v", target, timeout)
}

// print writes a response: its bytes alone, unless a reader sits at a terminal. There
// the prompt must not follow in the same line.
func (d *delivery) print(response []byte) error {
	if isTerminal(d.stdout) && !bytes.HasSuffix(response, []byte("\n")) {
		response = append(response, '\n')
	}
	_, err := d.stdout.Write(response)
	return err
}
