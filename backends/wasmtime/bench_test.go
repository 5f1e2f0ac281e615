//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"encoding/binary"
	"errors"
	"strconv"
	"testing"

	"github.com/airhost/airhost/backends/wasmtime"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/bench/measure/guests"
)

// sizes of messages.
var sizes = []struct {
	name  string
	bytes int
}{{"64B", 64}, {"1MiB", 1 << 20}}

// BenchmarkHandleMessage is a message in and its echo out. BenchmarkCopy is the part that
// no engine can save: the copies into the guest's memory and out of it.
func BenchmarkHandleMessage(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			echoes(b, open(b, actor(), sink{}, core.Limits{}), size.bytes)
		})
	}
}

func BenchmarkHandleMessageFuel(b *testing.B) {
	echoes(b, open(b, actor(), sink{}, core.Limits{Fuel: 1 << 30}), 64)
}

func echoes(b *testing.B, in core.Instance, size int) {
	message, response := make([]byte, size), make([]byte, 0, size)
	message[0] = 'e'
	b.SetBytes(2 * int64(size))
	b.ReportAllocs()
	for b.Loop() {
		response = response[:0]
		if err := in.HandleMessage(self, message, &response); err != nil {
			b.Fatal(err)
		}
	}
	if len(response) != size-1 {
		b.Fatalf("got a response of %d bytes", len(response))
	}
}

func BenchmarkCopy(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			message, memory, response := make([]byte, size.bytes), make([]byte, size.bytes), make([]byte, size.bytes)
			b.SetBytes(2 * int64(size.bytes))
			for b.Loop() {
				copy(memory, message)
				copy(response, memory)
			}
		})
	}
}

// BenchmarkHandleMessageThatSends: to a host without and with a ledger.
func BenchmarkHandleMessageThatSends(b *testing.B) {
	for name, env := range map[string]core.Environment{"asked": {Host: sink{}}, "credit": generousEnvironment()} {
		b.Run(name, func(b *testing.B) {
			in := instantiate(b, compile(b, newEngine(b, wasmtime.Config{}), actor(), core.Limits{}), env)
			b.ReportAllocs()
			for b.Loop() {
				if err := in.HandleMessage(self, sends, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkExchange is a message in an exchange of two guests, without a host.
func BenchmarkExchange(b *testing.B) {
	const most = 31
	c := compile(b, newEngine(b, wasmtime.Config{}), guests.PingPong, core.Limits{})
	l := core.NewLedger(func() *[]byte { return nil })
	for side, id := range exchangeIDs {
		peer := exchangeIDs[1-side]
		ledger := core.NewLedger(nil)
		if side == 0 {
			ledger = l
		}
		in, err := c.Instantiate(b.Context(), core.Environment{ID: core.MustComponentID(id), Host: generous{}, Ledger: ledger})
		must(b, err)
		b.Cleanup(func() { must(b, in.Close()) })
		must(b, in.Initialize([]core.ConfigPair{{Key: "peer", Value: peer}, {Key: "done", Value: "bench/done"}}))
		l.Sides[side] = core.Side{Instance: in, Credit: &core.Credit{Target: peer, Messages: true, MaxSize: 1 << 20}}
	}
	l.Most = most
	ball := make([]byte, 64)
	ball[0] = 'B'
	binary.LittleEndian.PutUint64(ball[8:], 1<<60)
	b.ReportAllocs()
	for b.Loop() {
		must(b, l.Sides[0].Instance.HandleMessage(self, ball, nil))
	}
	if calls := l.Progress.Load() >> 1; calls != most {
		b.Fatalf("%d calls followed the first, want %d", calls, most)
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N*(most+1)), "ns/call")
}

// BenchmarkManyGuests calls many guests in turn: the processor's caches and its address
// translation have room for the memory of few of them.
func BenchmarkManyGuests(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			c := compile(b, newEngine(b, wasmtime.Config{}), actor(), core.Limits{})
			var all []core.Instance
			for range n {
				all = append(all, instantiate(b, c, generousEnvironment()))
			}
			for b.Loop() {
				for _, in := range all {
					if err := in.HandleMessage(self, sends, nil); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*n), "ns/call")
		})
	}
}

// BenchmarkCold is the work before the first message of a guest in C.
func BenchmarkCold(b *testing.B) {
	src, ctx := core.Source{Code: guests.PingPong}, b.Context()
	compiles := func(b *testing.B, config wasmtime.Config) {
		e := newEngine(b, config)
		compile(b, e, src.Code, core.Limits{}) // the shim, and other work that is done once
		for b.Loop() {
			c, err := e.Compile(ctx, src, core.Limits{})
			must(b, err)
			b.StopTimer()
			must(b, c.Close(ctx))
			b.StartTimer()
		}
	}
	b.Run("compile", func(b *testing.B) { compiles(b, wasmtime.Config{}) })
	b.Run("load", func(b *testing.B) { compiles(b, wasmtime.Config{CacheDir: b.TempDir()}) })
	b.Run("engine and load", func(b *testing.B) {
		config := wasmtime.Config{CacheDir: b.TempDir()}
		compile(b, newEngine(b, config), src.Code, core.Limits{})
		for b.Loop() {
			e, err := wasmtime.New(config)
			must(b, err)
			c, err := e.Compile(ctx, src, core.Limits{})
			must(b, err)
			b.StopTimer()
			must(b, errors.Join(c.Close(ctx), e.Close(ctx)))
			b.StartTimer()
		}
	})
	b.Run("instantiate", func(b *testing.B) {
		c := compile(b, newEngine(b, wasmtime.Config{}), src.Code, core.Limits{})
		b.ReportAllocs()
		for b.Loop() {
			in, err := c.Instantiate(ctx, core.Environment{ID: self, Host: sink{}})
			must(b, err)
			b.StopTimer()
			must(b, in.Close())
			b.StartTimer()
		}
	})
}
