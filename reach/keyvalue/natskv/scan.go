package natskv

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// scanned is how many messages a scan asks for at once; with their data, which may be a
	// megabyte each, fewer.
	scanned         = 1000
	scannedWithData = 32
	// scanEnds is how long NATS keeps a scan of a host that is gone.
	scanEnds = time.Minute
)

// found is a message that a scan has found.
type found struct {
	key     string // or the name of a bucket
	removed bool
	data    []byte
}

// scan calls each with the messages of subjects, in the order in which they were published, until there
// are no more at that moment. The last one of each key counts. part is which part of a subject is the key,
// from its end.
func (s *Store) scan(ctx context.Context, subject string, part int, data bool, each func(found) error) error {
	select {
	case s.scans <- struct{}{}:
		defer func() { <-s.scans }()
	case <-ctx.Done():
		return ctx.Err()
	}
	stream, _, err := s.open(ctx)
	if err != nil {
		return err
	}
	from, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckNonePolicy, FilterSubject: subject, HeadersOnly: !data,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: scanEnds,
	})
	if err != nil {
		s.forget(err)
		return explained(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.patience)
		defer cancel()
		_ = stream.DeleteConsumer(ctx, from.CachedInfo().Name) // else it ends by itself
	}()
	most := scanned
	if data {
		most = scannedWithData
	}
	for next := uint64(1); ; {
		n, err := fetch(ctx, from, most, next, part, each)
		if err != nil || n == 0 {
			return err
		}
		next += uint64(n)
	}
}

// fetch calls each with the next messages of a scan, of which the first has a number, and returns how
// many there were.
func fetch(ctx context.Context, from jetstream.Consumer, most int, next uint64, part int, each func(found) error) (n int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	batch, err := from.FetchNoWait(most)
	if err != nil {
		return 0, err
	}
	for m := range batch.Messages() { // to its end, whatever happens
		if err != nil {
			continue
		}
		var about *jetstream.MsgMetadata
		if about, err = m.Metadata(); err != nil {
			continue
		}
		if about.Sequence.Consumer != next+uint64(n) {
			err = errors.New("NATS has left out something: try it again")
			continue
		}
		n++
		parts := strings.Split(m.Subject(), ".")
		if key, ok := decode(parts[len(parts)-part]); ok {
			err = each(found{key: key, removed: m.Headers().Get(operation) != "", data: m.Data()})
		}
	}
	return n, errors.Join(err, batch.Error())
}

// listing has the keys of a bucket, as they were at some change.
type listing struct {
	keys    []string // in their order
	changes uint64
	bytes   int
}

// Keys implements [host.StoreBucket]. The first page looks at all keys. The others are of those that the
// first one has found, unless keys have come or gone since.
func (b *bucket) Keys(ctx context.Context, after string, most int) (keys []string, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.store.patience)
	defer cancel()
	u, _, err := b.readUsage(ctx)
	if err != nil || u.Keys == 0 {
		return nil, false, err
	}
	b.store.mu.Lock()
	l := b.listing
	b.store.mu.Unlock()
	if l == nil || l.changes != u.Changes {
		if l, err = b.list(ctx, u.Changes); err != nil {
			return nil, false, err
		}
	}
	at, found := slices.BinarySearch(l.keys, after)
	if found {
		at++
	}
	keys = l.keys[at:]
	if more = len(keys) > most; more {
		keys = keys[:most]
	}
	b.keep(l, more)
	return slices.Clone(keys), more, nil
}

// list reads all keys. If they are changed meanwhile, the listing is later than changes, and none that
// a further page is of.
func (b *bucket) list(ctx context.Context, changes uint64) (*listing, error) {
	all := make(map[string]struct{})
	err := b.store.scan(ctx, b.keySubject("")+">", 1, false, func(f found) error {
		if f.removed {
			delete(all, f.key)
		} else {
			all[f.key] = struct{}{}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	u, _, err := b.readUsage(ctx)
	if err != nil {
		return nil, err
	}
	l := &listing{keys: slices.Sorted(maps.Keys(all)), changes: u.Changes}
	if u.Changes != changes {
		l.changes = 0 // no bucket with keys has this
	}
	for _, key := range l.keys {
		l.bytes += len(key)
	}
	return l, nil
}

// keep keeps a listing for the next page, if there is one.
func (b *bucket) keep(l *listing, more bool) {
	s := b.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.listing != nil {
		s.listed -= b.listing.bytes
		b.listing = nil
	}
	if more && l.changes != 0 && s.listed+l.bytes <= maxListed {
		b.listing = l
		s.listed += l.bytes
	}
}

// Buckets returns the names of the buckets that are not empty, sorted.
func (s *Store) Buckets(ctx context.Context) ([]string, error) {
	used := make(map[string]bool)
	err := s.scan(ctx, s.subject("*", usagePart), 2, true, func(f found) error {
		var u usage
		if err := json.Unmarshal(f.data, &u); err != nil {
			return fmt.Errorf("the usage of the bucket %s in NATS is damaged: %w", f.key, err)
		}
		used[f.key] = u.Keys > 0
		return nil
	})
	maps.DeleteFunc(used, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(used)), err
}

// Export calls each with the pairs of a bucket as they were at one moment, in the order of the keys,
// while others go on to read and write. It ends with the first error of each. The values are in a
// temporary file meanwhile.
func (s *Store) Export(ctx context.Context, bucket string, each func(key string, data []byte) error) (err error) {
	spool, err := os.CreateTemp("", "airhost-kv-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spool.Close(), os.Remove(spool.Name())) }()
	type span struct{ at, size int64 }
	all, end := make(map[string]span), int64(0)
	to := bufio.NewWriter(spool)
	b := s.bucket(bucket)
	err = s.scan(ctx, b.keySubject("")+">", 1, true, func(f found) error {
		if f.removed {
			delete(all, f.key)
			return nil
		}
		all[f.key] = span{end, int64(len(f.data))}
		end += int64(len(f.data))
		_, err := to.Write(f.data)
		return err
	})
	if err == nil {
		err = to.Flush()
	}
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		data := make([]byte, all[key].size)
		_, err := io.ReadFull(io.NewSectionReader(spool, all[key].at, all[key].size), data)
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = each(key, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
