package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/service"
)

func (p *program) sendCommand() *cobra.Command {
	d := &delivery{program: p}
	return d.command("send", "Send one fire-and-forget message", `send starts the host, sends one message to the component TARGET, waits until
nothing is under way any more, for up to host.drain_timeout, and stops the host.
It writes nothing to standard output. When the message is refused or ends as a
dead letter, the reason is on standard error and the exit code is 1.`,
		d.send)
}

func (d *delivery) send(ctx context.Context, a *service.Service, target core.ComponentID, message []byte) error {
	if err := a.Send(target, message); err != nil {
		return err
	}
	d.settle(ctx, a)
	for _, letter := range a.DeadLetters() {
		if letter.Sender == core.HostID {
			return fmt.Errorf("message to %s: not handled: %s", target, letter.Reason)
		}
	}
	return nil
}
