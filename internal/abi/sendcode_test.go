package abi

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/wasm"
)

// sendingGuest is a module with an entry. Its handle-message sends the test's bytes as a
// message, its handle-callback as a request.
type sendingGuest struct {
	t       *testing.T
	entry   Entry
	module  api.Module
	asked   int       // calls of the host
	sends   [5]uint64 // the arguments of send-message
	timeout uint64    // of send-request, which has the same arguments otherwise
}

// newSendingGuest makes the guest. Its handlers ask the host for their arguments by six
// functions that the host exports.
func newSendingGuest(t *testing.T) *sendingGuest {
	t.Helper()
	g := &sendingGuest{t: t}
	m := &wasm.Module{Memories: []wasm.Limits{{Min: 1}}}
	code := &entryCode{moduleCode: moduleCode{m: m}}
	for _, f := range Interfaces()[0].Funcs {
		m.AddFuncImport(HostServices, f.Name, uint32(len(m.Types)))
		m.Types = append(m.Types, f.Type)
	}
	const message, request, argument, timeout = 0, 1, 6, 11
	for i := range 5 {
		m.AddFuncImport("test", fmt.Sprint(i), uint32(len(m.Types)))
	}
	m.Types = append(m.Types, signature(":i"))
	m.AddFuncImport("test", "timeout", uint32(len(m.Types)))
	m.Types = append(m.Types, signature(":I"))
	export := func(name string, kind wasm.Kind, index uint32) {
		m.Exports = append(m.Exports, wasm.Export{Name: name, Kind: kind, Index: index})
	}
	handler := func(send uint32, f Func) {
		for i := range uint32(5) {
			if i == 4 && send == request {
				code.index(opCall, timeout)
			}
			code.index(opCall, argument+i)
		}
		code.index(opCall, send)
		code.i32(16) // a result of zeros
		export(f.Name, wasm.KindFunc, code.function(f.Type))
	}
	handler(message, Func{HandleMessage, signature("iiii:i")})
	handler(request, Func{HandleCallback, signature("Iiii:i")})
	code.i32(1024)
	export(Realloc, wasm.KindFunc, code.function(signature("iiii:i")))
	export(Memory, wasm.KindMemory, 0)
	var err error
	if g.entry, err = AddEntry(m, Phases{0, 1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	g.instantiate(m)
	return g
}

func (g *sendingGuest) instantiate(m *wasm.Module) {
	g.t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntime(ctx)
	g.t.Cleanup(func() { _ = r.Close(ctx) })
	services, arguments := r.NewHostModuleBuilder(HostServices), r.NewHostModuleBuilder("test")
	for _, f := range Interfaces()[0].Funcs {
		services.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(context.Context, []uint64) { g.asked++ }),
			codes(f.Type.Params), codes(f.Type.Results)).Export(f.Name)
	}
	for i := range g.sends {
		arguments.NewFunctionBuilder().WithFunc(func() uint32 { return uint32(g.sends[i]) }).Export(fmt.Sprint(i))
	}
	arguments.NewFunctionBuilder().WithFunc(func() uint64 { return g.timeout }).Export("timeout")
	for _, b := range []wazero.HostModuleBuilder{services, arguments} {
		if _, err := b.Instantiate(ctx); err != nil {
			g.t.Fatal(err)
		}
	}
	var err error
	if g.module, err = r.Instantiate(ctx, m.Encode()); err != nil {
		g.t.Fatal(err)
	}
}

func codes(types []wasm.ValueType) (out []api.ValueType) {
	for _, t := range types {
		out = append(out, t.Code)
	}
	return out
}

func (g *sendingGuest) call(stack ...uint64) []uint64 {
	g.t.Helper()
	stack = append(stack, make([]uint64, EntrySlots-len(stack))...)
	if err := g.module.ExportedFunction(g.entry.Name).CallWithStack(g.t.Context(), stack); err != nil {
		g.t.Fatal(err)
	}
	return stack
}

func (g *sendingGuest) setTarget(target string, most int) {
	for i := range WordsOf(target) {
		word, mask := TargetWord(target, i)
		g.call(uint64(OpTarget), uint64(i), uint64(len(target)), uint64(most), 0, word, mask)
	}
}

// send is one case: a credit, and the bytes that the guest sends.
type send struct {
	credit          string
	most            int
	target, message string
	targetAt, at    uint32
	area            uint32
	flags           Op
	timeout         uint64
	request         bool
}

// byCredit says whether the send may be answered by the credit.
func (s *send) byCredit() bool {
	end := uint32(pageSize)
	align, size, flag := uint32(4), uint32(16), OpMessages
	if s.request {
		align, size, flag = 8, 24, OpRequests
	}
	return s.flags&flag != 0 && s.target == s.credit && len(s.message) <= s.most && s.area%align == 0 && s.area <= end-size &&
		s.targetAt <= end-MaxTarget && s.at <= end-MaxWords && (!s.request || s.timeout <= uint64(core.MaxTimeout.Milliseconds()))
}

const pageSize = 64 << 10

func (g *sendingGuest) try(s send) {
	g.t.Helper()
	g.setTarget(s.credit, s.most)
	mem := g.module.Memory()
	mem.Write(0, make([]byte, 1024))
	mem.WriteByte(s.area, 77)
	mem.Write(s.targetAt, []byte(s.target))
	mem.Write(s.at, []byte(s.message))
	g.sends = [5]uint64{uint64(s.targetAt), uint64(len(s.target)), uint64(s.at), uint64(len(s.message)), uint64(s.area)}
	g.timeout, g.asked = s.timeout, 0
	op, kind := OpMessage, core.TransferMessage
	if s.request {
		op, kind = OpCallback, core.TransferRequest
	}
	const id = 1<<40 + 7
	out := g.call(uint64(op|s.flags), 0, 0, 0, 0, 0, id)
	status := Status(out[EntryStatus])
	if !s.byCredit() {
		if g.asked != 1 || status.Kind() != core.TransferNone {
			g.t.Errorf("%+v: the host was asked %d times, the status is %#x; want 1, and nothing sent", s, g.asked, status)
		}
		return
	}
	got := make([]byte, 0, MaxWords)
	for _, w := range out[EntryWords:] {
		for n := range 8 {
			got = append(got, byte(w>>(8*n)))
		}
	}
	if g.asked != 0 || status.Kind() != kind || status.Size() != len(s.message) || string(got[:status.Size()]) != s.message {
		g.t.Errorf("%+v: asked %d times, status %#x, %q", s, g.asked, status, got)
	}
	if area, _ := mem.ReadByte(s.area); area != 0 {
		g.t.Errorf("%+v: the result is %d", s, area)
	}
	if got, _ := mem.ReadUint64Le(s.area + 8); s.request && (got != id || out[EntryTimeout] != s.timeout) {
		g.t.Errorf("%+v: id %#x, timeout %d", s, got, out[EntryTimeout])
	}
}

// TestSendByCredit: the functions that replace send-message and send-request answer
// exactly the sends that the credit and the guest's memory allow, and pass all others on.
func TestSendByCredit(t *testing.T) {
	g := newSendingGuest(t)
	base := send{credit: "shop/orders", most: MaxWords, target: "shop/orders", message: "hello", targetAt: 2000, at: 3000, area: 4000, flags: OpMessages | OpRequests, timeout: 5}
	vary := []func(*send){
		func(*send) {},
		func(s *send) { s.message = "" },
		func(s *send) { s.message = strings.Repeat("m", MaxWords) },
		func(s *send) { s.message, s.most = strings.Repeat("m", 9), 8 },
		func(s *send) { s.message = strings.Repeat("m", MaxWords+1) },
		func(s *send) { s.target = "shop/order" },
		func(s *send) { s.target = "shop/orders2" },
		func(s *send) { s.target = "Shop/orders" },
		func(s *send) { s.target = "shop/ordert" },
		func(s *send) { s.target = "" },
		func(s *send) { s.flags = OpMessages },
		func(s *send) { s.flags = OpRequests },
		func(s *send) { s.flags = 0 },
		func(s *send) { s.targetAt = pageSize - MaxTarget },
		func(s *send) { s.targetAt = pageSize - MaxTarget + 1 },
		func(s *send) { s.at = pageSize - MaxWords },
		func(s *send) { s.at = pageSize - MaxWords + 1 },
		func(s *send) { s.area = 4004 },
		func(s *send) { s.area = 4002 },
		func(s *send) { s.area = pageSize - 24 },
		func(s *send) { s.area = pageSize - 16 },
		func(s *send) { s.area = pageSize - 8 },
		func(s *send) { s.area = 3000 }, // the result is written over the message
		func(s *send) { s.area = 2000 },
		func(s *send) { s.timeout = 0 },
		func(s *send) { s.timeout = uint64(core.MaxTimeout.Milliseconds()) },
		func(s *send) { s.timeout = uint64(core.MaxTimeout.Milliseconds()) + 1 },
		func(s *send) { s.timeout = 1 << 63 },
	}
	for _, change := range vary {
		for _, request := range []bool{false, true} {
			s := base
			s.request = request
			change(&s)
			g.try(s)
		}
	}
	for size := 1; size <= 127; size++ {
		s := base
		s.credit = strings.Repeat("x", size)
		for at := -1; at < size; at++ {
			target := []byte(s.credit)
			if at >= 0 {
				target[at] ^= 0x80
			}
			s.target = string(target)
			g.try(s)
		}
	}
}

// TestSendTwice: a credit is for one send, and ends with the guest's handler.
func TestSendTwice(t *testing.T) {
	g := newSendingGuest(t)
	g.try(send{credit: "a/b", most: 64, target: "a/b", message: "m", targetAt: 2000, at: 3000, area: 4000, flags: OpMessages})
	for _, name := range []string{g.entry.Credit, g.entry.Phase} {
		if v := g.module.ExportedGlobal(name).Get(); v != 0 {
			t.Errorf("%s is %d after the call", name, v)
		}
	}
}

// TestRedirectsDirectCallsOnly: references to the imports go to the host still.
func TestRedirectsDirectCallsOnly(t *testing.T) {
	m := &wasm.Module{Memories: []wasm.Limits{{Min: 1}}}
	code := &entryCode{moduleCode: moduleCode{m: m}}
	m.AddFuncImport(HostServices, SendMessage, 0)
	m.Types = append(m.Types, signature("iiiii:"))
	for range 5 {
		code.i32(0)
	}
	code.index(opCall, 0)
	f := code.function(signature(":"))
	m.Exports = append(m.Exports, wasm.Export{Name: "send", Kind: wasm.KindFunc, Index: 0}, wasm.Export{Name: "f", Kind: wasm.KindFunc, Index: f})
	before := slices.Clone(m.Code[0].Expr)
	if _, err := AddEntry(m, Phases{}); err != nil {
		t.Fatal(err)
	}
	if m.Exports[0].Index != 0 || slices.Equal(before, m.Code[0].Expr) || !slices.Contains(m.Code[0].Expr, byte(f)+1) {
		t.Errorf("exports %v, code % x, was % x", m.Exports[:2], m.Code[0].Expr, before)
	}
}
