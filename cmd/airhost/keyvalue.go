package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airhost/airhost/admin"
)

func (p *program) keyValueCommand() *cobra.Command {
	all := []*cobra.Command{p.listKeysCommand(), p.getValueCommand(), p.setValueCommand(), p.deleteValueCommand(), p.exportValuesCommand(), p.importValuesCommand()}
	command := &cobra.Command{
		Use:   "kv",
		Short: "Read, change, export and import what components keep in the key-value store",
		Long: `kv reads and changes the buckets of the key-value store of a host: through the host
while it runs, and else in the file of the store itself. A BUCKET is the id of a
component, whose own bucket it is, or the name of one in keyvalue.buckets.`,
		Example: `  airhost kv list airhost.yaml
  airhost kv get airhost.yaml shop/cart customer-7
  airhost kv export airhost.yaml > backup.jsonl`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	command.AddCommand(all...)
	return command
}

// storeHelp tells in the help of each command which store it uses.
const storeHelp = `

The host is the one at --host, else at AIRHOST_HOST, else the one that was started
with FILE, which ends in .yaml or .yml. If that one does not run, the command opens
the file of its store, keyvalue.path.`

// onStore makes a command that does something with a store.
func (o *operation) onStore(c *cobra.Command, formats []string, do func(ctx context.Context, s buckets, args []string) error) *cobra.Command {
	c.Long += storeHelp
	c.ValidArgsFunction = o.completeBuckets()
	return o.command(c, formats, func(ctx context.Context, args []string) error {
		err := do(ctx, remoteBuckets{o.client}, args)
		if !errors.Is(err, admin.ErrUnreachable) || o.file == "" || o.named() {
			return err
		}
		s, err := o.openBuckets(c.Name() == "set" || c.Name() == "import", c.Name() == "import")
		if err != nil {
			return err
		}
		return errors.Join(do(ctx, s, args), s.store.Close())
	})
}

// completeBuckets completes FILE, and a bucket behind it.
func (o *operation) completeBuckets() cobra.CompletionFunc {
	return o.completeRest(func(args []string) []string {
		ctx, cancel := context.WithTimeout(context.Background(), completionTime)
		defer cancel()
		if len(args) > 0 || o.find() != nil {
			return nil
		}
		defer o.client.Close()
		var names []string
		all, err := o.client.Buckets(ctx)
		for _, b := range all {
			names = append(names, b.Name)
		}
		if err != nil {
			return o.knownIDs()
		}
		return names
	})
}

func (p *program) listKeysCommand() *cobra.Command {
	o := &operation{program: p}
	return o.onStore(&cobra.Command{
		Use:   "list [FILE] [BUCKET]",
		Short: "List the buckets, or the keys of one",
		Long: `list lists the buckets that are not empty, with the number of their keys and the bytes
of keys and values, or the keys of BUCKET in their order.`,
		Example: "  airhost kv list airhost.yaml\n  airhost kv list airhost.yaml shop/cart --output json | jq -r '.[]'",
		Args:    upTo("BUCKET"),
	}, []string{formatTable, formatJSON}, func(ctx context.Context, s buckets, args []string) error {
		if len(args) == 0 {
			return o.listBuckets(ctx, s)
		}
		return o.listKeys(ctx, s, args[0])
	})
}

func (o *operation) listBuckets(ctx context.Context, s buckets) error {
	all, err := s.Buckets(ctx)
	switch {
	case err != nil:
		return err
	case o.output == formatJSON:
		return o.writeJSON(all)
	case len(all) == 0:
		return o.writeText("all buckets are empty\n")
	}
	t := newTable("BUCKET", ">KEYS", ">SIZE")
	for _, b := range all {
		t.add(b.Name, fmt.Sprint(b.Keys), bytesText(uint64(max(b.Bytes, 0))))
	}
	return o.writeText(t.String())
}

func (o *operation) listKeys(ctx context.Context, s buckets, bucket string) error {
	all := []string{}
	for after, more := "", true; more; {
		page, err := s.Keys(ctx, bucket, after)
		if err != nil {
			return err
		}
		all = append(all, page.Keys...)
		if more = page.More && len(page.Keys) > 0; more {
			after = all[len(all)-1]
		}
	}
	if o.output == formatJSON {
		return o.writeJSON(all)
	}
	var text strings.Builder
	for _, key := range all {
		text.WriteString(printable(key) + "\n")
	}
	return o.writeText(text.String())
}

func (p *program) getValueCommand() *cobra.Command {
	o := &operation{program: p}
	return o.onStore(&cobra.Command{
		Use:     "get [FILE] BUCKET KEY",
		Short:   "Write the value of a key",
		Long:    `get writes the bytes of a value as they are. A key that is not there is exit code 1.`,
		Example: "  airhost kv get airhost.yaml shop/cart customer-7\n  airhost kv get airhost.yaml shop/cart customer-7 > value",
		Args:    arguments("BUCKET", "KEY"),
	}, nil, func(ctx context.Context, s buckets, args []string) error {
		value, err := s.Value(ctx, args[0], args[1])
		if err != nil {
			return err
		}
		_, err = o.stdout.Write(value)
		return err
	})
}

func (p *program) setValueCommand() *cobra.Command {
	o, value := &operation{program: p}, payload{}
	var read []byte
	known := false
	command := o.onStore(&cobra.Command{
		Use:   "set [FILE] BUCKET KEY",
		Short: "Set the value of a key",
		Long: `set sets the value of a key to --data, to the bytes of --data-file, or to standard
input. The quotas of components do not bound it, and their next writes count it.`,
		Example: "  airhost kv set airhost.yaml shop/cart customer-7 --data '[]'\n  airhost kv set airhost.yaml prices list --data-file prices.json",
		Args:    arguments("BUCKET", "KEY"),
	}, nil, func(ctx context.Context, s buckets, args []string) (err error) {
		if !known { // standard input can be read once
			if read, err = value.read(ctx, p.stdin); err != nil {
				return err
			}
			known = true
		}
		return s.SetValue(ctx, args[0], args[1], read)
	})
	value.flags(command)
	return command
}

func (p *program) deleteValueCommand() *cobra.Command {
	o := &operation{program: p}
	return o.onStore(&cobra.Command{
		Use:     "delete [FILE] BUCKET KEY",
		Short:   "Remove a key",
		Long:    `delete removes a key with its value. A key that is not there is exit code 1.`,
		Example: "  airhost kv delete airhost.yaml shop/cart customer-7",
		Args:    arguments("BUCKET", "KEY"),
	}, nil, func(ctx context.Context, s buckets, args []string) error { return s.DeleteValue(ctx, args[0], args[1]) })
}
