package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"github.com/airhost/airhost/admin"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/service"
	"github.com/airhost/airhost/reach/keyvalue"
)

// buckets are those of a key-value store: of a running host, or of a file.
type buckets interface {
	Buckets(ctx context.Context) ([]admin.KeyValueBucket, error)
	Keys(ctx context.Context, bucket, after string) (*admin.KeyValueKeys, error)
	Value(ctx context.Context, bucket, key string) ([]byte, error)
	SetValue(ctx context.Context, bucket, key string, value []byte) error
	DeleteValue(ctx context.Context, bucket, key string) error
	Export(ctx context.Context, bucket string) iter.Seq2[admin.KeyValueEntry, error]
}

// remoteBuckets are those of a running host.
type remoteBuckets struct{ *admin.Client }

var (
	_ buckets = remoteBuckets{}
	_ buckets = localBuckets{}
)

// localBuckets are those of a file that no host has open.
type localBuckets struct{ store keyvalue.Store }

// openBuckets opens the store of FILE, whose host does not answer, and may make it. Many changes are on the
// disk when the store is closed, others each before the next one.
func (o *operation) openBuckets(makes, many bool) (localBuckets, error) {
	file, err := config.Load(o.file, service.Built())
	switch {
	case err != nil:
		return localBuckets{}, err
	case file.HasKeyValue() && file.KeyValue.Store == config.StoreNATS:
		return localBuckets{}, explained{fmt.Errorf("%w at %s, and the key-value store of %s is in NATS, which a running host alone reads: start it, or name another host of its cluster by --host", admin.ErrUnreachable, o.client.Address(), o.file)}
	case !service.KeyValueInFile(file):
		return localBuckets{}, explained{fmt.Errorf("%w at %s, and %s has no file of a key-value store", admin.ErrUnreachable, o.client.Address(), o.file)}
	}
	if _, err := os.Stat(file.KeyValue.Path); errors.Is(err, fs.ErrNotExist) && !makes {
		return localBuckets{}, explained{fmt.Errorf("%w at %s, and there is no %s yet", admin.ErrUnreachable, o.client.Address(), file.KeyValue.Path)}
	}
	file.KeyValue.Sync = !many
	store, err := service.OpenKeyValue(file, o.log)
	return localBuckets{store}, err
}

// bucket returns the bucket of a name.
func (l localBuckets) bucket(name string) (host.StoreBucket, error) {
	if _, err := core.ParseComponentID(name); err != nil && core.CheckBucket(name) != nil {
		return nil, wrongUse{fmt.Errorf("BUCKET: %w (or the name of a shared bucket)", err)}
	}
	return l.store.Bucket(name), nil
}

func (l localBuckets) Buckets(ctx context.Context) ([]admin.KeyValueBucket, error) {
	return admin.BucketsOf(ctx, l.store)
}

func (l localBuckets) Keys(ctx context.Context, bucket, after string) (*admin.KeyValueKeys, error) {
	b, err := l.bucket(bucket)
	if err != nil {
		return nil, err
	}
	keys, more, err := b.Keys(ctx, after, 1000)
	return &admin.KeyValueKeys{Keys: keys, More: more}, err
}

func (l localBuckets) Value(ctx context.Context, bucket, key string) ([]byte, error) {
	b, err := l.bucket(bucket)
	if err != nil {
		return nil, err
	}
	v, err := b.Get(ctx, key)
	if err == nil && v.Version == 0 {
		err = fmt.Errorf("the bucket %s has no key %q", bucket, key)
	}
	return v.Data, err
}

func (l localBuckets) SetValue(ctx context.Context, bucket, key string, value []byte) error {
	return l.write(ctx, bucket, host.BucketWrite{Kind: host.WriteSet, Key: key, Data: value})
}

func (l localBuckets) DeleteValue(ctx context.Context, bucket, key string) error {
	if _, err := l.Value(ctx, bucket, key); err != nil {
		return err
	}
	return l.write(ctx, bucket, host.BucketWrite{Kind: host.WriteDelete, Key: key})
}

func (l localBuckets) write(ctx context.Context, bucket string, w host.BucketWrite) error {
	b, err := l.bucket(bucket)
	if err != nil {
		return err
	}
	if err := core.CheckKey(w.Key); err != nil {
		return wrongUse{fmt.Errorf("KEY: %w", err)}
	}
	w.Quota = host.NoBucketQuota
	_, err = b.Write(ctx, w)
	return err
}

// Export implements buckets. The last pair may have an error.
func (l localBuckets) Export(ctx context.Context, bucket string) iter.Seq2[admin.KeyValueEntry, error] {
	return func(yield func(admin.KeyValueEntry, error) bool) {
		_, err := l.bucket(bucket)
		ended := errors.New("the caller has enough")
		if err == nil {
			err = l.store.Export(ctx, bucket, func(key string, data []byte) error {
				if !yield(admin.KeyValueEntry{Bucket: bucket, Key: key, Value: data}, nil) {
					return ended
				}
				return nil
			})
		}
		if err != nil && !errors.Is(err, ended) {
			yield(admin.KeyValueEntry{}, err)
		}
	}
}

// storeOf returns the key-value store of a host for its admin API, or nil.
func storeOf(s *service.Service) admin.KeyValueStore {
	if store := s.KeyValue(); store != nil { // a nil Store is no nil interface of another type
		return store
	}
	return nil
}
