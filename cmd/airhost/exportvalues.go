package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
)

func (p *program) exportValuesCommand() *cobra.Command {
	o := &operation{program: p}
	return o.onStore(&cobra.Command{
		Use:   "export [FILE] [BUCKET]",
		Short: "Write all keys with their values, as a backup",
		Long: `export writes the keys of BUCKET, or of all buckets, with their values: one JSON object
a line, {"bucket", "key", "value"}, with the value in base64. Each bucket is as it was
at one moment, while components go on to use it. If it cannot write all, the exit code
is 1.`,
		Example: "  airhost kv export airhost.yaml > backup.jsonl\n  airhost kv export airhost.yaml shop/cart | jq -r '.key + \" \" + (.value | @base64d)'",
		Args:    upTo("BUCKET"),
	}, nil, func(ctx context.Context, s buckets, args []string) error {
		if len(args) == 0 {
			all, err := s.Buckets(ctx)
			if err != nil {
				return err
			}
			for _, b := range all {
				args = append(args, b.Name)
			}
		}
		to := bufio.NewWriter(o.stdout)
		lines := json.NewEncoder(to)
		for _, bucket := range args {
			for e, err := range s.Export(ctx, bucket) {
				if err == nil {
					err = lines.Encode(e)
				}
				if err != nil {
					return err
				}
			}
		}
		return to.Flush()
	})
}

func (p *program) importValuesCommand() *cobra.Command {
	o := &operation{program: p}
	var all *exported
	c := o.onStore(&cobra.Command{
		Use:   "import [FILE] EXPORT",
		Short: "Set all keys of an export",
		Long: `import sets the keys of EXPORT, which kv export has written, or - for standard input. It
reads all of it before it changes anything: a line that is wrong is exit code 2. Keys
that are not in EXPORT stay as they are. The quotas of components do not bound it, and
their next writes count it. If it breaks off, what was set stays, and it can be called
again.`,
		Example: "  airhost kv import airhost.yaml backup.jsonl\n  airhost kv export old.yaml | airhost kv import new.yaml -",
		Args:    arguments("EXPORT"),
	}, nil, func(ctx context.Context, s buckets, args []string) (err error) {
		if all == nil { // standard input can be read once
			if all, err = openExport(ctx, args[0], p.stdin); err != nil {
				return err
			}
		}
		set, err := all.setIn(ctx, s)
		if err != nil {
			if set > 0 {
				err = fmt.Errorf("%d of %d keys are set: %w", set, all.keys, err)
			}
			return err
		}
		return o.writeText(fmt.Sprintf("%d keys are set\n", set))
	})
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		defer func() { all.close() }()
		return run(c, args)
	}
	c.ValidArgsFunction = nil // files
	return c
}

// exported is an export that was checked.
type exported struct {
	file *os.File
	keys int
	temp bool // the file is ours
}

// maxLine is the longest line of an export: a value in base64, with its key and bucket.
const maxLine = maxPayload/3*4 + 1<<20

// openExport checks all lines of an export. Standard input is copied to a file before.
func openExport(ctx context.Context, path string, stdin io.Reader) (x *exported, err error) {
	x = &exported{}
	if path == "-" {
		err = x.copy(ctx, stdin)
	} else if x.file, err = os.Open(path); err != nil {
		err = wrongUse{err}
	}
	if err == nil {
		err = x.each(func(admin.KeyValueEntry) error { x.keys++; return ctx.Err() })
	}
	if err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

// copy copies standard input to a file. When ctx ends first, it leaves the goroutine that reads behind:
// nothing can end that read.
func (x *exported) copy(ctx context.Context, stdin io.Reader) (err error) {
	if isTerminal(stdin) {
		return wrongUse{errors.New("EXPORT is -, and nothing is piped in")}
	}
	x.temp = true
	if x.file, err = os.CreateTemp("", "airhost-kv-*"); err != nil {
		return err
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(x.file, stdin)
		copied <- err
	}()
	select {
	case err := <-copied:
		return err
	case <-ctx.Done():
		return stopped(ctx, "reading standard input")
	}
}

func (x *exported) close() {
	if x == nil || x.file == nil {
		return
	}
	_ = x.file.Close() // it was only read, or is removed
	if x.temp {
		_ = os.Remove(x.file.Name())
	}
}

// each calls do with each pair, and says which line is wrong.
func (x *exported) each(do func(admin.KeyValueEntry) error) error {
	if _, err := x.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	lines := bufio.NewScanner(x.file)
	lines.Buffer(nil, maxLine)
	n := 1
	for ; lines.Scan(); n++ {
		e, err := entryOf(lines.Bytes())
		if err != nil {
			return wrongUse{fmt.Errorf("line %d of the export: %w", n, err)}
		}
		if err := do(e); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return wrongUse{fmt.Errorf("line %d of the export: %w", n, err)}
	}
	return nil
}

// entryOf reads a line of an export.
func entryOf(line []byte) (e admin.KeyValueEntry, err error) {
	from := json.NewDecoder(bytes.NewReader(line))
	from.DisallowUnknownFields()
	if err := from.Decode(&e); err != nil {
		return e, fmt.Errorf("want {\"bucket\", \"key\", \"value\"} as kv export writes it: %w", err)
	}
	if e.Value == nil {
		return e, errors.New("it has no value")
	}
	if _, err := core.ParseComponentID(e.Bucket); err != nil && core.CheckBucket(e.Bucket) != nil {
		return e, fmt.Errorf("the bucket %.100q is neither the id of a component nor the name of a shared bucket", e.Bucket)
	}
	return e, core.CheckKey(e.Key)
}

// setIn sets all keys, and returns how many are.
func (x *exported) setIn(ctx context.Context, s buckets) (set int, err error) {
	err = x.each(func(e admin.KeyValueEntry) error {
		err := s.SetValue(ctx, e.Bucket, e.Key, e.Value)
		if err == nil {
			set++
		}
		return err
	})
	return set, err
}
