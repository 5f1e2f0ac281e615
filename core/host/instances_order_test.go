package host_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// ordered checks that each message of each sender comes once, and in order.
type ordered struct {
	t     *testing.T
	mu    sync.Mutex
	last  map[string]uint32
	count int
}

func (o *ordered) note(sender string, message []byte) {
	number := binary.LittleEndian.Uint32(message)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count++
	if number <= o.last[sender] {
		o.t.Errorf("%s: message %d comes after %d", sender, number, o.last[sender])
	}
	o.last[sender] = number
}

// TestOrderOfSenders: with SpreadSender each sender's messages come in order, while
// instances trap, fail and are restarted, and their number changes by updates and
// replacements. No message is lost but those that trap.
func TestOrderOfSenders(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		for seed := range uint64(4) {
			orderOfSenders(t, p, rand.New(rand.NewPCG(seed, 16)))
		}
	})
}

func orderOfSenders(t *testing.T, p parts, random *rand.Rand) {
	const senders, each = 12, 400
	h := p.start(t, host.Config{Workers: 3})
	o := &ordered{t: t, last: make(map[string]uint32)}
	var traps atomic.Int64
	d := several("a/pool", 3, host.SpreadSender, sameFor(behaviour{message: func(_ guest.Host, sender string, message []byte) ([]byte, error) {
		o.note(sender, message)
		if len(message) > 4 {
			traps.Add(1) // a dead letter that was noted, too
			panic("on purpose")
		}
		return nil, nil
	}}))
	d.Restart = host.Restart{MaxRestarts: 1, Within: time.Hour, Backoff: time.Millisecond, CoolDown: 3 * time.Millisecond}
	d.Limits.Mailbox, d.Limits.HandlerTime = 1<<20, time.Hour
	check(t, h.Deploy(within(t), d))
	var sent, refused atomic.Int64
	for i := range senders {
		number := uint32(0)
		sender := deployment(fmt.Sprintf("s/%d", i), behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			for range 8 {
				number++
				text := binary.LittleEndian.AppendUint32(nil, number)
				if number%97 == 0 && i == 0 {
					text = append(text, 't')
				}
				if err := g.Send("a/pool", text); err == nil {
					sent.Add(1)
				} else if refused.Add(1); !errors.Is(err, core.ErrUnavailable) && !errors.Is(err, core.ErrQueueFull) {
					t.Error(err)
				}
			}
			return nil, nil
		}})
		sender.Limits.HandlerTime = time.Hour
		check(t, h.Deploy(within(t), sender))
	}
	var load sync.WaitGroup
	for i := range senders {
		load.Go(func() {
			for range each / 8 {
				h.do(fmt.Sprintf("s/%d", i))
			}
		})
	}
	for range 12 {
		next := d
		next.Instances = 1 + random.IntN(5)
		switch random.IntN(4) {
		case 0:
			check(t, h.Replace(within(t), next))
		case 1:
			check(t, h.Restart(within(t), d.ID))
			continue
		default:
			check(t, h.Update(within(t), next))
		}
		d = next
	}
	load.Wait()
	h.balance()
	o.mu.Lock()
	defer o.mu.Unlock()
	equal(t, "messages handled and lost", int64(o.count)+int64(h.Snapshot().DeadLetters)-traps.Load(), sent.Load())
	equal(t, "sent", sent.Load()+refused.Load(), senders*each)
}

// TestOrderWhenAnInstanceReturns: while another instance handles a message of a sender, that
// sender's next ones wait for it, also if the sender's own instance is back.
func TestOrderWhenAnInstanceReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, host.Config{Workers: 3})
		release := make(chan struct{})
		var handled atomic.Int64
		d := several("a/pool", 2, "", sameFor(behaviour{message: func(_ guest.Host, _ string, message []byte) ([]byte, error) {
			switch string(message) {
			case "trap":
				panic("on purpose")
			case "wait":
				<-release
			}
			handled.Add(1)
			return nil, nil
		}}))
		d.Restart = host.Restart{MaxRestarts: 1, Within: time.Hour, CoolDown: time.Minute}
		d.Limits.HandlerTime = time.Hour
		check(t, h.Deploy(t.Context(), d))
		h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
			return nil, g.Send("a/pool", message)
		}})
		h.ask("a/sender", "trap")
		synctest.Wait()
		h.ask("a/sender", "trap")
		synctest.Wait()
		equal(t, "instances after a failure", instancesOf(h, "a/pool"), 1)
		h.ask("a/sender", "wait")
		<-time.After(time.Minute + time.Millisecond)
		equal(t, "instances after the cool-down", instancesOf(h, "a/pool"), 2)
		for range 5 {
			h.ask("a/sender", "next")
		}
		synctest.Wait()
		equal(t, "handled before the first one", handled.Load(), 0)
		h.do("a/pool") // the other instance is idle
		equal(t, "handled by the other instance", handled.Load(), 1)
		close(release)
		h.balance()
		equal(t, "handled", handled.Load(), 7)
	})
}
