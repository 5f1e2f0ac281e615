package keyvalue

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"go.etcd.io/bbolt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// read returns the value of a key in the file.
func (b *fileBucket) read(key string) (v core.Value, err error) {
	err = b.db.View(func(tx *bbolt.Tx) error {
		if in := tx.Bucket(bucketsOf).Bucket([]byte(b.name)); in != nil {
			v = valueIn(in.Get([]byte(key)))
			v.Data = bytes.Clone(v.Data) // the other is gone with the transaction
		}
		return nil
	})
	return v, err
}

// versionSize is how many bytes of a value in the file are its version.
const versionSize = 8

// valueIn returns the value in bytes of the file, or none.
func valueIn(stored []byte) core.Value {
	if len(stored) < versionSize {
		return core.Value{}
	}
	return core.Value{Version: binary.BigEndian.Uint64(stored), Data: stored[versionSize:]}
}

// readUsage returns the usage of a bucket in the file.
func (b *fileBucket) readUsage() (used host.BucketUsage) {
	_ = b.db.View(func(tx *bbolt.Tx) error { // fails for a store that is closed alone
		used = usageIn(tx.Bucket(usageOf).Get([]byte(b.name)))
		return nil
	})
	return used
}

// Keys implements [host.StoreBucket].
func (b *fileBucket) Keys(ctx context.Context, after string, most int) (keys []string, more bool, err error) {
	if err := b.settle(ctx); err != nil {
		return nil, false, err
	}
	err = b.db.View(func(tx *bbolt.Tx) error {
		in := tx.Bucket(bucketsOf).Bucket([]byte(b.name))
		if in == nil {
			return nil
		}
		c := in.Cursor()
		key, _ := c.Seek([]byte(after))
		if string(key) == after {
			key, _ = c.Next()
		}
		for ; key != nil; key, _ = c.Next() {
			if len(keys) == most {
				more = true
				return nil
			}
			keys = append(keys, string(key))
		}
		return nil
	})
	return keys, more, err
}

// Usage implements [host.StoreBucket].
func (b *fileBucket) Usage(context.Context) (host.BucketUsage, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return host.BucketUsage{}, ErrClosed
	}
	return b.used, nil
}

// Buckets implements [Store].
func (f *file) Buckets(ctx context.Context) (names []string, err error) {
	if err := f.settle(ctx); err != nil {
		return nil, err
	}
	err = f.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(usageOf).ForEach(func(name, _ []byte) error {
			names = append(names, string(name))
			return nil
		})
	})
	return names, err
}

// Export implements [Store]. It copies the bucket to a file of its own before it calls each, since
// a transaction that goes on for long keeps the store from growing.
func (f *file) Export(ctx context.Context, bucket string, each func(key string, data []byte) error) (err error) {
	if err := f.settle(ctx); err != nil {
		return err
	}
	spool, err := os.CreateTemp("", "airhost-kv-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spool.Close(), os.Remove(spool.Name())) }()
	to := bufio.NewWriter(spool)
	if err := f.db.View(func(tx *bbolt.Tx) error { return copyBucket(ctx, to, tx.Bucket(bucketsOf).Bucket([]byte(bucket))) }); err != nil {
		return err
	}
	if err := to.Flush(); err != nil {
		return err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return readPairs(ctx, bufio.NewReader(spool), each)
}

// copyBucket writes the pairs of a bucket, which may be nil: key and data, each behind its length.
func copyBucket(ctx context.Context, to *bufio.Writer, from *bbolt.Bucket) error {
	if from == nil {
		return nil
	}
	return from.ForEach(func(key, stored []byte) error {
		for _, part := range [][]byte{key, valueIn(stored).Data} {
			if _, err := to.Write(binary.AppendUvarint(nil, uint64(len(part)))); err != nil {
				return err
			}
			if _, err := to.Write(part); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// readPairs calls each with the pairs that copyBucket has written.
func readPairs(ctx context.Context, from *bufio.Reader, each func(key string, data []byte) error) error {
	for {
		key, err := readPart(from)
		if err == io.EOF {
			return nil
		}
		var data []byte
		if err == nil {
			data, err = readPart(from)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = each(string(key), data)
		}
		if err != nil {
			return err
		}
	}
}

func readPart(from *bufio.Reader) ([]byte, error) {
	size, err := binary.ReadUvarint(from)
	if err != nil {
		return nil, err
	}
	part := make([]byte, size)
	_, err = io.ReadFull(from, part)
	return part, err
}
