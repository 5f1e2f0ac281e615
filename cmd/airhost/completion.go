package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/service"
)

// completionTime is how long a completion waits for a host: a user waits for it.
const completionTime = 300 * time.Millisecond

const noFiles = cobra.ShellCompDirectiveNoFileComp

// named reports whether the host is named without FILE.
func (o *operation) named() bool { return o.address != "" || os.Getenv(hostVariable) != "" }

// completeRest completes FILE, and then the further arguments by next, which gets those that
// are there already.
func (o *operation) completeRest(next func(args []string) []string) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 && !o.named() {
			return completeFile(c, args, typed)
		}
		o.file, args = splitFile(args)
		return next(args), noFiles
	}
}

// completeIDs completes FILE, and the id of a component after so many further arguments.
func (o *operation) completeIDs(after int) cobra.CompletionFunc {
	return o.completeRest(func(args []string) []string {
		if len(args) != after {
			return nil
		}
		return o.knownIDs()
	})
}

// knownIDs are the ids of the running host, or, if none answers in time, those of the file.
func (o *operation) knownIDs() []string {
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	if o.find() == nil {
		defer o.client.Close()
		if all, err := o.client.Components(ctx); err == nil {
			return idsOf(all)
		}
	}
	if o.file == "" {
		return nil
	}
	if file, err := config.Load(o.file, service.Built()); err == nil {
		return file.IDs()
	}
	return nil
}

// completeLevel completes FILE, LEVEL and ID.
func (o *operation) completeLevel(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return o.completeRest(func(args []string) []string {
		switch len(args) {
		case 0:
			return append(slices.Clone(levelNames), levelDefault)
		case 1:
			return o.knownIDs()
		}
		return nil
	})(c, args, typed)
}

// completeLetters completes FILE, and the numbers of dead letters, with their targets.
func (o *operation) completeLetters(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return o.completeRest(func(args []string) (numbers []string) {
		ctx, cancel := context.WithTimeout(context.Background(), completionTime)
		defer cancel()
		if o.find() != nil {
			return nil
		}
		defer o.client.Close()
		letters, _ := o.client.DeadLetters(ctx) // without a host there are none
		for _, l := range letters {
			if number := fmt.Sprint(l.Number); !slices.Contains(args, number) {
				numbers = append(numbers, number+"\tto "+printable(l.To)+": "+printable(l.Reason))
			}
		}
		return numbers
	})(c, args, typed)
}

// completeTarget completes the arguments of call and send.
func (d *delivery) completeTarget(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 && !d.named() {
		return []string{"yaml", "yml", "wasm", "airhost"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return d.completeIDs(0)(c, args, typed)
}
