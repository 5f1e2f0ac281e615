package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/refs"
	"github.com/airhost/airhost/internal/spawn"
	pluginv1 "github.com/airhost/airhost/proto/airhost/plugin/v1"
)

// endTimeout is the time that a process has to exit after it was asked to.
const endTimeout = 2 * time.Second

// component is an executable with the traits of its component.
type component struct {
	engine  *Engine
	command spawn.Command
	traits  core.Traits
	turns   bool       // it sends on its own
	refs    refs.Count // counts instances
}

var _ core.Component = (*component)(nil)

// describe starts a process, asks it for the traits, and ends it.
func (c *component) describe(ctx context.Context, limits core.Limits) error {
	process, err := c.start(ctx, c.engine.log, limits)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	description, err := pluginv1.NewComponentClient(process.Conn()).Describe(limited, &pluginv1.DescribeRequest{})
	ended := end(process)
	if exit := (*spawn.ExitError)(nil); status.Code(err) == codes.Unavailable && errors.As(ended, &exit) {
		err = exit // the exit is why there is no answer
	}
	if err != nil {
		return fmt.Errorf("it does not say what it has: %w", err)
	}
	c.traits = core.Traits{
		Callback: description.Callback, Management: description.Management, State: description.State, Interruptible: true, OwnFiles: true,
	}
	c.turns = description.Turns
	return nil
}

// describeTimeout is the time that a process has to report its traits.
const describeTimeout = 10 * time.Second

func (c *component) start(ctx context.Context, log *slog.Logger, limits core.Limits) (*spawn.Process, error) {
	command := c.command
	command.StartTimeout, command.StartKey = limits.StartTime, "limits.start_time"
	logOutput(&command, log, limits)
	return spawn.Start(ctx, command)
}

// end asks a process to exit, kills it if it does not, and waits for its end. It
// returns the result of [spawn.Process.Err].
func end(process *spawn.Process) error {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	return process.Close(ctx)
}

func (c *component) Traits() core.Traits { return c.traits }

func (c *component) Instantiate(ctx context.Context, env core.Environment) (core.Instance, error) {
	if err := c.refs.Acquire(); err != nil {
		return nil, err
	}
	i := newInstance(env, c.traits, c.engine.log)
	i.released = c.refs.Release
	if env.Starting != nil {
		env.Starting(i)
	}
	if err := i.start(ctx, c); err != nil {
		_ = i.Close()
		return nil, err
	}
	return i, nil
}

func (c *component) Close(ctx context.Context) error {
	if err := c.refs.Close(ctx, func() error { return nil }); err != nil {
		return fmt.Errorf("process: close a component: %w", err)
	}
	return nil
}
