package hostile

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

//go:embed guest/hoarder.wasm
var hoarder []byte

// bucketQuota bounds the attacker's bucket, and shared is one that it may not have.
var bucketQuota = host.BucketQuota{Bytes: 4 << 20, Keys: 1000}

const (
	shared       = "shared"
	byBucketSize = "quota.keyvalue_bytes"
	byBucketKeys = "quota.keyvalue_keys"
	byHandles    = "4,096 resources"
	byTexts      = "1 MiB of texts in a call"
)

// keyValue returns attacks by wasi:keyvalue.
func keyValue() []Attack {
	all := of("buckets",
		answered("9,000 buckets that it may not open", "capabilities.keyvalue", number('o', 9000), noneOpened),
		answered("keys until one is refused", byBucketKeys, number('k', 0), taken(uint32(bucketQuota.Keys))),
		answered("keys with 64 KiB until one is refused", byBucketSize, number('k', 64<<10), taken(63)),
		answered("ever larger values until one is refused", "quota.message_size", []byte("l"), taken(1<<20)),
		ended("buckets that it opens for ever", byHandles, "sO"),
		ended("handles of compare-and-swap, for ever", byHandles, "sc"),
		ended("a key of more than 1 MiB", byTexts, "vL"),
		ended("2^32−1 keys at once", "4,096 elements of lists in a call", "vE"),
		inGuest("a key of 1 MiB, for ever", 's', 'k'),
		inGuest("all of its memory as a value, for ever", 's', 'v'),
		inGuest("a value of 1 MiB that it reads for ever", 's', 'g'),
		inGuest("a value of 1 MiB that it reads 4,096 times at once, for ever", 's', 'm'),
		inGuest("increments for ever", 's', 'i'),
		inGuest("swaps that fail, for ever", 's', 's'),
		inGuest("keys that it lists and changes for ever", 's', 'l'),
		inGuest("a bucket that it opens and drops for ever", 's', 'o'),
	)
	all = append(all, of("buckets", bucketViolations()...)...)
	for i := range all {
		all[i].Guest = func() []byte { return hoarder }
		all[i].Tune = func(d *host.Deployment) {
			d.Capabilities.KeyValue = []string{host.DefaultBucket}
			d.Quota.Bucket, d.Limits.MessageSize = bucketQuota, 1<<20
		}
	}
	return all
}

// bucketViolations are those of keyValue that break the ABI.
func bucketViolations() []Attack {
	return []Attack{
		violation("a bucket's name out of range", "", "vn"),
		violation("a key out of range", "", "vk"),
		violation("a key that is not UTF-8", "", "vu"),
		violation("a value out of range", "", "vw"),
		violation("an area for a value out of range", "", "va"),
		violation("a misaligned area for a value", "", "vm"),
		violation("a bucket that it has not opened", "", "vh"),
		violation("a bucket that it has dropped", "", "vd"),
		violation("a bucket in place of a compare-and-swap", "", "vc"),
		violation("a pair with a value out of range", "", "vp"),
		violation("a list with a key out of range", "", "ve"),
		violation("a bucket opened from cabi_realloc", "aR", "e hello"),
		violation("a bucket opened from a post-return", "", "ap"),
	}
}

func noneOpened(c Counts) error {
	if denied := c[1+core.KeyValueAccessDenied]; c[0] != 0 || denied != 9000 {
		return fmt.Errorf("%d buckets were opened, %d were denied", c[0], denied)
	}
	return nil
}

// taken checks how many keys, or bytes, were taken before the refusal.
func taken(n uint32) func(Counts) error {
	return func(c Counts) error {
		if c[0] != n || c[1] != 1+uint32(core.KeyValueOther) {
			return fmt.Errorf("%d were taken, and the next one was refused with case %d, want %d and %v", c[0], int(c[1])-1, n, core.KeyValueOther)
		}
		return nil
	}
}

// emptyBuckets returns an error if the attacker has had more than its quota, or something in another
// bucket, and removes its keys.
func (a *Arena) emptyBuckets(ctx context.Context) error {
	names, err := a.store.Buckets(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		b := a.store.Bucket(name)
		used, err := b.Usage(ctx)
		if err != nil || name != attacker.String() || used.Bytes > bucketQuota.Bytes || used.Keys > bucketQuota.Keys {
			return fmt.Errorf("the bucket %s has %+v: %w", name, used, err)
		}
		keys, _, err := b.Keys(ctx, "", int(bucketQuota.Keys))
		for _, key := range keys {
			if err == nil {
				_, err = b.Write(ctx, host.BucketWrite{Kind: host.WriteDelete, Key: key})
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
