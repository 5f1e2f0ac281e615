package nats_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/guest"
)

// TestLateFrame: a frame that comes after a later one of its route, or after one of a later route, is
// not handled: its host has lost the connection on which it was under way, and its messages
// came back there. Another run of the host begins anew, and hosts that do not tell their runs apart
// are taken as they come.
func TestLateFrame(t *testing.T) {
	url := serve(t, nil).ClientURL()
	a := join(t, url, "a")
	var got []string
	a.deploy(t, "a/sink", component(func(_ guest.Host, m []byte) ([]byte, error) { got = append(got, string(m)); return nil, nil }), nil)
	other, err := natsgo.Connect(url)
	check(t, err)
	defer other.Close()
	inbox, err := other.SubscribeSync("ah.default.host.*.credit.>")
	check(t, err)
	const run, next = 7 << 32, 5 << 32
	var want []string
	for i, f := range []struct {
		host         string
		route, frame uint64
		late         bool
	}{
		{"z", run + 1, 1, false}, {"z", run + 1, 3, false}, {"z", run + 1, 2, true}, {"z", run + 1, 3, true}, {"z", run + 1, 4, false},
		{"y", run + 1, 2, false}, {"z", run + 2, 1, false}, {"z", run + 1, 9, true}, {"z", run + 2, 2, false},
		{"z", next + 1, 1, false}, {"z", next + 1, 1, true}, {"z", next + 1, 2, false},
		{"x", 1, 2, false}, {"x", 1, 1, false}, {"x", 1, 1, false},
	} {
		text := func(s string) string { return string(rune(len(s))) + s }
		message := fmt.Sprintf("%d: %v", i, f)
		reply := fmt.Sprintf("ah.default.host.%s.credit.%x.%x", f.host, f.route, f.frame)
		check(t, other.PublishRequest("ah.default.to.a.sink", reply, []byte("\x01M"+text(f.host)+"\x00"+text("z/z")+text(message))))
		if f.late {
			continue
		}
		want = append(want, message)
		if receipt, err := inbox.NextMsg(patience); err != nil || receipt.Subject != reply || !strings.HasPrefix(string(receipt.Data), "\x01R") {
			t.Fatalf("%s: the receipt is %v, %v", message, receipt, err)
		}
	}
	for a.Snapshot().Handled < uint64(len(want)) {
		<-time.After(time.Millisecond)
	}
	check(t, a.Stop(within(t)))
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := a.broker.Counters().Discarded; n != 4 {
		t.Errorf("%d frames were discarded, want 4", n)
	}
}

// TestRunsOfAHost: the routes of two runs of a host have other numbers, so that the receipt of a frame
// of one is not taken for that of the other.
func TestRunsOfAHost(t *testing.T) {
	url := serve(t, nil).ClientURL()
	other, err := natsgo.Connect(url)
	check(t, err)
	defer other.Close()
	frames, err := other.SubscribeSync("ah.default.to.a.sink")
	check(t, err)
	check(t, other.Flush())
	runs := map[string]bool{}
	for range 2 {
		a := join(t, url, "a")
		check(t, a.Send(sinkID, []byte("x")))
		frame, err := frames.NextMsg(patience)
		check(t, err)
		runs[frame.Reply] = true
		check(t, frame.Respond([]byte("\x01R\x01z\x01\x01")))
		a.settled(t)
		check(t, a.Stop(within(t)))
	}
	if len(runs) != 2 {
		t.Errorf("both use %v", runs)
	}
}
