package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/service"
)

func (p *program) sendCommand() *cobra.Command {
	d := &delivery{operation: operation{program: p}}
	d.toHost = func(ctx context.Context, target core.ComponentID, message []byte) error {
		return d.client.Send(ctx, target, message)
	}
	return d.command("send", "Send one fire-and-forget message", `send sends one message to the component TARGET. It writes nothing to standard output.
When the message is refused, the reason is on standard error and the exit code is 1.
In a host of its own it waits for the end of all that the message begins, and a
message that ends as a dead letter is exit code 1 too; in a running host it does not
wait: airhost dead-letters shows a message that was not handled.`,
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
