package enginetest

import (
	"sync"

	"github.com/airhost/airhost/core"
)

// memoryPromises are about instances that implement [core.Sizer] alone.
var memoryPromises = []promise{
	{"memory-size", "MemorySize tells how the memory has grown", testMemorySize},
	{"memory-size-any-time", "MemorySize may be called from any goroutine until Close, and waits for no call", testMemorySizeAnyTime},
}

// grown is the size of a response that needs about as much memory in the guest.
const grown = 1 << 20

func testMemorySize(t *trial) {
	in, _ := t.actor()
	sizer, ok := in.(core.Sizer)
	if !ok {
		return
	}
	before := sizer.MemorySize(true)
	if before == 0 {
		return // it does not know
	}
	want(t, "size of a response", len(t.ask(in, "b", uint64(grown))), grown)
	if after := sizer.MemorySize(true); before < 0 || after < max(before, grown) {
		t.broken("memory of %d bytes, and then %d with a response of 1 MiB\nwant no less than 1 MiB in the end", before, after)
	}
}

func testMemorySizeAnyTime(t *trial) {
	host := &Services{}
	var early sync.WaitGroup
	in, err := t.theActor().Instantiate(t.Context(), core.Environment{
		ID: self, Host: host, Limits: patient(core.Limits{}), Starting: func(in core.Instance) {
			if sizer, ok := in.(core.Sizer); ok {
				early.Go(func() { sizer.MemorySize(false) })
			}
		},
	})
	t.must("make an instance", err)
	t.cleanups = append(t.cleanups, func() { t.must("close an instance", in.Close()) })
	early.Wait()
	sizer, ok := in.(core.Sizer)
	if !ok {
		return
	}
	least := sizer.MemorySize(true)
	host.Calling = func(string) {
		t.soon("MemorySize in a call", func() {
			if size := sizer.MemorySize(false); size < 0 || least > 0 && size == 0 {
				t.broken("memory during a call: got %d bytes, before %d", size, least)
			}
		})
	}
	t.ask(in, "l\x00in a service")
	t.growsWhileAsked(in, sizer)
}

// growsWhileAsked makes an instance grow while another goroutine asks for its size.
func (t *trial) growsWhileAsked(in core.Instance, sizer core.Sizer) {
	t.Helper()
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				sizer.MemorySize(false)
			}
		}
	})
	for size := uint64(1); size <= grown; size *= 2 {
		t.ask(in, "b", size)
	}
	close(stop)
	others.Wait()
}
