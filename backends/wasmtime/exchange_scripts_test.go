//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime_test

import (
	"strings"

	"github.com/airhost/airhost/core"
)

// text is a script as a payload.
func text(s *script) string { return string(s.message()) }

var (
	quiet  = new(script)
	nobody = &core.Credit{Target: third, Messages: true, MaxSize: maxSize}
)

// to sends a script to a side.
func to(side int, then *script) *script { return new(script).send(exchangeIDs[side], text(then)) }

// ask requests a side to run a script.
func ask(side int, then *script) *script {
	return new(script).request(exchangeIDs[side], text(then), 5)
}

// hops is a script of a side: n messages go to and fro, and the last one is a script.
func hops(n, side int, last *script) *script {
	if n == 0 {
		return last
	}
	return to(1-side, hops(n-1, 1-side, last))
}

// asks is a script of a side: n requests, each of them sent from the callback of the one
// before. The last response is last.
func asks(n, side int, last string) *script {
	if n == 1 {
		return ask(1-side, new(script).echo(last))
	}
	return ask(1-side, new(script).echo("!"+text(asks(n-1, side, last))))
}

// long is a script that responds with 2n+more bytes, which is more than it has.
func long(n, more int) *script {
	s := new(script).echo(strings.Repeat("x", n))
	s.steps, s.names = append(s.steps, s.steps...), append(s.names, s.names[0]+len(s.steps))
	return s.echo(strings.Repeat("x", more))
}

// told is the guest's note of a callback: the n-th request and the beginning of its
// response.
func told(n int, response string) string {
	response = response[:min(len(response), 100)]
	return string([]byte{byte(n), 0, byte(len(response))}) + response
}

// outcome makes the first call a callback of the request that the guest has sent first,
// with the script in its response.
func outcome(x *exchange) {
	if err := x.in[0].HandleMessage(self, new(script).request(third, "x", 5).message(), nil); err != nil {
		panic(err)
	}
	x.outcome = x.hosts[0].ID
	x.payload = append([]byte("!"), x.payload...)
}

func most(n int) func(*exchange) { return func(x *exchange) { x.most = n } }

// ids are the ids for the requests of a side.
func ids(side int, all ...core.RequestID) func(*exchange) {
	return func(x *exchange) { x.hosts[side].ledger.Sides[0].Requests = all }
}

func credit(side int, credit *core.Credit) func(*exchange) {
	return func(x *exchange) { x.hosts[side].ledger.Sides[0].Credit = credit }
}

func panics(entry string) func(*exchange) { return func(x *exchange) { x.panicking = entry } }

// interrupts makes Reconcile interrupt the instance of the current call, or the other.
func interrupts(current bool) func(*exchange) {
	return func(x *exchange) {
		x.reconciling = func(x *exchange) {
			side := x.hosts[0].ledger.Side
			if !current {
				side = 1 - side
			}
			x.in[side].Interrupt()
		}
	}
}

// usedBefore fills in the account of another call.
func usedBefore(x *exchange) {
	l := x.hosts[0].ledger
	l.Side, l.Current, l.Ended[1].Messages = 1, core.Transfer{Kind: core.TransferRequest, Payload: []byte("x")}, 1
	l.Open = core.Transfer{Kind: core.TransferMessage, Payload: []byte("x")}
}

// responds makes a respond to a request before.
func responds(x *exchange) {
	if err := x.in[0].HandleMessage(self, quiet.message(), &x.response); err != nil {
		panic(err)
	}
}

// closesCurrent makes Reconcile try to close the instance of the current call.
func closesCurrent(x *exchange) {
	x.reconciling = func(x *exchange) {
		x.note("%s: %v", sideNames[x.hosts[0].ledger.Side], x.in[x.hosts[0].ledger.Side].Close())
	}
}

// closesOther makes Reconcile close the other instance.
func closesOther(x *exchange) {
	x.reconciling = func(x *exchange) {
		if err := x.in[1-x.hosts[0].ledger.Side].Close(); err != nil {
			x.note("close: %v", err)
		}
	}
}
