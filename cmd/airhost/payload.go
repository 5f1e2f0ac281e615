package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// maxPayload is the largest message that any configuration allows, in bytes.
const maxPayload = 1 << 30

// payload is the source of a message's bytes.
type payload struct {
	data, file string
	command    *cobra.Command // has the flags that were given
}

func (s *payload) flags(command *cobra.Command) {
	s.command = command
	command.Flags().StringVar(&s.data, "data", "", "the message")
	command.Flags().StringVar(&s.file, "data-file", "", "a file that holds the message")
	command.MarkFlagsMutuallyExclusive("data", "data-file")
}

// read returns the message: from the flag, from the file, or from stdin. When ctx ends
// first, read leaves the goroutine that reads stdin behind: nothing can end that read.
func (s *payload) read(ctx context.Context, stdin io.Reader) ([]byte, error) {
	switch flags := s.command.Flags(); {
	case flags.Changed("data"):
		return []byte(s.data), nil
	case flags.Changed("data-file"):
		file, err := os.Open(s.file)
		if err != nil {
			return nil, wrongUse{fmt.Errorf("--data-file: %w", err)}
		}
		defer file.Close()
		return readAll(file, "--data-file")
	case isTerminal(stdin):
		return nil, wrongUse{errors.New("there is no message: give it by --data or --data-file, or pipe it in (--data '' is an empty one)")}
	}
	type result struct {
		message []byte
		err     error
	}
	all := make(chan result, 1)
	go func() {
		message, err := readAll(stdin, "standard input")
		all <- result{message, err}
	}()
	select {
	case r := <-all:
		return r.message, r.err
	case <-ctx.Done():
		return nil, stopped(ctx, "reading standard input")
	}
}

func readAll(from io.Reader, name string) ([]byte, error) {
	message, err := io.ReadAll(io.LimitReader(from, maxPayload+1))
	switch {
	case err != nil:
		return nil, wrongUse{fmt.Errorf("%s: %w", name, err)}
	case len(message) > maxPayload:
		return nil, wrongUse{fmt.Errorf("%s is larger than 1 GiB", name)}
	}
	return message, nil
}

// isTerminal reports whether a stream is a terminal. The null device is a character
// device too, and none.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
