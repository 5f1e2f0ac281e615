package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/airhost/airhost/core/host"
)

// quotaRace: writers that race do not pass the quota, and the usage is that of all keys.
func quotaRace(t T, s Store) { QuotaRace(t, []host.StoreBucket{s.Bucket("b")}) }

// QuotaRace checks that writers of several hosts do not pass the quota of a bucket together. Each host
// has a store of its own, and all of them have the same bucket, which is empty.
func QuotaRace(t T, hosts []host.StoreBucket) {
	const most, writers, times = 30, 6, 20
	quota := host.BucketQuota{Bytes: most * 8, Keys: most}
	var taken, refused atomic.Int64
	var all sync.WaitGroup
	for g := range writers {
		b := hosts[g%len(hosts)]
		write := func(kind host.WriteKind, i int) {
			_, err := b.Write(t.Context(), host.BucketWrite{Kind: kind, Key: fmt.Sprintf("%02d-%02d", g, i), Data: []byte("xxx"), Quota: quota})
			switch {
			case err == nil && kind == host.WriteSet:
				taken.Add(1)
			case errors.Is(err, host.ErrBucketKeys), errors.Is(err, host.ErrBucketBytes):
				refused.Add(1)
			case err != nil:
				t.Errorf("the error is %v", err)
			}
		}
		all.Go(func() {
			for i := range times {
				write(host.WriteSet, i)
				if i%5 == 4 {
					write(host.WriteDelete, i-4)
				}
				if used, err := b.Usage(t.Context()); err != nil || used.Keys > quota.Keys || used.Bytes > quota.Bytes {
					t.Errorf("the usage is %v, %v", used, err)
				}
			}
		})
	}
	all.Wait()
	x := tester{t: t, b: hosts[0]}
	keys := x.all(1000)
	if len(keys) > most || taken.Load() < most || refused.Load() == 0 {
		t.Errorf("%d keys are there, %d writes were taken and %d refused", len(keys), taken.Load(), refused.Load())
	}
	x.used(int64(len(keys)*8), int64(len(keys)))
}

// atomicity: increments and swaps of many are as if one came after the other.
func atomicity(t T, s Store) { Atomicity(t, []host.StoreBucket{s.Bucket("b")}) }

// Atomicity checks that no increment and no swap of several hosts is lost. The hosts are as those of
// [QuotaRace].
func Atomicity(t T, hosts []host.StoreBucket) {
	const writers, times = 3, 15
	var all sync.WaitGroup
	for g := range writers {
		x := tester{t: t, b: hosts[g%len(hosts)]}
		all.Go(func() {
			for range times {
				if _, err := x.try(host.BucketWrite{Kind: host.WriteIncrement, Key: "n", Delta: 1}); err != nil {
					t.Errorf("increment: %v", err)
				}
				x.append()
			}
		})
	}
	all.Wait()
	x := tester{t: t, b: hosts[0]}
	x.has("n", fmt.Sprint(writers*times))
	x.has("s", strings.Repeat("x", writers*times))
}

// append makes a value longer, by swaps.
func (x tester) append() {
	for {
		old, err := x.b.Get(x.t.Context(), "s")
		if err != nil {
			x.t.Errorf("get: %v", err)
			return
		}
		done, err := x.try(host.BucketWrite{Kind: host.WriteSwap, Key: "s", Version: old.Version, Data: append(slices.Clone(old.Data), 'x')})
		if err != nil {
			x.t.Errorf("swap: %v", err)
		}
		if done.Swapped || err != nil {
			return
		}
	}
}

// exportChange: what an export has was there at one moment. A writer sets one key after the other to the
// next number: so no key may be two behind another one.
func exportChange(t T, s Store) {
	const keys = 5
	x := tester{t: t, b: s.Bucket("b")}
	round := func(n int) (err error) {
		for i := range keys {
			if _, err = x.try(host.BucketWrite{Kind: host.WriteSet, Key: fmt.Sprint(i), Data: []byte(fmt.Sprint(n))}); err != nil {
				break
			}
		}
		return err
	}
	if err := round(0); err != nil {
		t.Fatalf("set: %v", err)
	}
	over := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for n := 1; ; n++ {
			select {
			case <-over:
				return
			default:
			}
			if err := round(n); err != nil {
				t.Errorf("set: %v", err)
				return
			}
		}
	})
	for range 10 {
		x.exportOnce(s, keys)
	}
	close(over)
	all.Wait()
}

// exportOnce checks one export of exportChange.
func (x tester) exportOnce(s Store, keys int) {
	var numbers []int
	err := s.Export(x.t.Context(), "b", func(_ string, data []byte) error {
		var n int
		_, err := fmt.Sscan(string(data), &n)
		numbers = append(numbers, n)
		return err
	})
	decreases := slices.IsSortedFunc(numbers, func(a, b int) int { return b - a })
	if err != nil || len(numbers) != keys || !decreases || numbers[0] > numbers[len(numbers)-1]+1 {
		x.t.Errorf("an export has %v, which was never there: %v", numbers, err)
	}
}
