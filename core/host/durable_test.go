package host_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
	"github.com/airhost/airhost/internal/hosttest"
)

func durable(d host.Deployment) host.Deployment {
	d.Delivery = host.DeliveryDurable
	d.Restart.Backoff, d.Restart.MaxRestarts = time.Millisecond, -1
	return d
}

// handles records the messages that a component handles.
type handles struct {
	mu  sync.Mutex
	got []string
}

func (r *handles) add(sender string, message []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, sender+":"+string(message))
}

func (r *handles) of(sender string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, one := range r.got {
		if text, is := strings.CutPrefix(one, sender+":"); is {
			all = append(all, text)
		}
	}
	return strings.Join(all, " ")
}

// record is a component that panics on "trap", and answers "no" by an error.
func record(r *handles) behaviour {
	return behaviour{message: func(_ guest.Host, sender string, message []byte) ([]byte, error) {
		r.add(sender, message)
		switch string(message) {
		case "trap":
			panic("on purpose")
		case "no":
			return nil, errors.New("no")
		}
		return nil, nil
	}}
}

func (h *testHost) sendAs(sender string, target core.ComponentID, payload string) {
	h.t.Helper()
	caller, err := h.As(id(sender))
	check(h.t, err)
	check(h.t, caller.Send(target, []byte(payload)))
}

func equalEnds(t testing.TB, b *hosttest.Keeping, component string, handled, failed, undelivered, waiting int) {
	t.Helper()
	equal(t, "ends", b.Ended(id(component)), hosttest.Ends{Handled: handled, Failed: failed, Undelivered: undelivered, Waiting: waiting})
}

// TestKeeperIsTold: the keeper of a message learns that it was handled, on each way of a message:
// from a Go program, in chains and exchanges, also with an error of the guest; requests need none.
func TestKeeperIsTold(t *testing.T) {
	for _, p := range allParts {
		t.Run(p.name, func(t *testing.T) {
			h, b := startKeeping(t, p, host.Config{})
			r := new(handles)
			next := record(r)
			h.deploy("a/next", next)
			check(t, h.Deploy(within(t), durable(deployment("a/kept", behaviour{message: func(g guest.Host, sender string, message []byte) ([]byte, error) {
				r.add(sender, message)
				if string(message) == "no" {
					return nil, errors.New("no")
				}
				return message, g.Send("a/next", message)
			}}))))
			h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, message []byte) ([]byte, error) {
				return nil, g.Send("a/kept", message)
			}})
			const n = 200
			for i := range n {
				check(t, h.Send(id("a/kept"), fmt.Append(nil, i)))
				check(t, h.Send(id("a/sender"), fmt.Append(nil, i)))
			}
			check(t, h.Send(id("a/kept"), []byte("no")))
			h.quiesce()
			if got, err := h.request("a/kept", "hello"); got != "hello" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			equalEnds(t, b, "a/kept", 2*n+1, 0, 0, 0)
			for _, sender := range []string{"a/sender", "airhost/host"} {
				for i, one := range strings.Fields(r.of(sender))[:n] {
					if one != fmt.Sprint(i) {
						t.Fatalf("message %d of %s is %s", i, sender, one)
					}
				}
			}
		})
	}
}

// TestDeliveredAgain: a message on which the instance ends comes again, before later ones of its
// sender, as often as the restart policy says. Then it is a dead letter.
func TestDeliveredAgain(t *testing.T) {
	h, b := startKeeping(t, parts{}, host.Config{})
	r := new(handles)
	d := durable(deployment("a/kept", record(r)))
	d.Restart.MaxDeliver = 3
	check(t, h.Deploy(within(t), d))
	for _, text := range []string{"1", "trap", "2"} {
		check(t, h.Send(d.ID, []byte(text)))
	}
	h.quiesce()
	equal(t, "handled", r.of("airhost/host"), "1 trap trap trap 2")
	equalEnds(t, b, "a/kept", 2, 3, 0, 0)
	letters := h.DeadLetters()
	if len(letters) != 1 || string(letters[0].Payload) != "trap" || !strings.Contains(letters[0].Reason, "on purpose") {
		t.Errorf("the dead letters are %+v", letters)
	}
	d.Restart.MaxDeliver = 1
	check(t, h.Update(within(t), d))
	check(t, h.Send(d.ID, []byte("trap")))
	h.quiesce()
	equalEnds(t, b, "a/kept", 2, 4, 0, 0)
	equal(t, "dead letters", len(h.DeadLetters()), 2)
}

// TestStoredMessages: a component's status says if it has a durable mailbox, and how many messages are in
// that, the one that is being handled included.
func TestStoredMessages(t *testing.T) {
	h, _ := startKeeping(t, parts{}, host.Config{})
	begun, gate := make(chan struct{}), make(chan struct{})
	waits := behaviour{message: func(guest.Host, string, []byte) ([]byte, error) { begun <- struct{}{}; <-gate; return nil, nil }}
	h.deploy("a/direct", waits)
	check(t, h.Deploy(within(t), durable(deployment("a/kept", waits))))
	for _, name := range []string{"a/direct", "a/kept"} {
		for range 3 {
			check(t, h.Send(id(name), nil))
		}
		<-begun
	}
	var got []string
	for _, c := range h.Components() {
		got = append(got, fmt.Sprint(c.ID, " ", c.Durable, " ", c.Stored))
	}
	equal(t, "durable and stored", strings.Join(got, ", "), "a/direct false 0, a/kept true 3")
	close(gate)
	for range 4 {
		<-begun
	}
	h.quiesce()
	equal(t, "stored", h.Components()[1].Stored, 0)
}

// TestStoppedHandlersComeAgain: a message whose handler takes too long comes again.
func TestStoppedHandlersComeAgain(t *testing.T) {
	h, b := startKeeping(t, parts{}, host.Config{})
	times := 0
	d := durable(toyDeployment("a/kept", &toy{message: func(i *toyInstance, _ []byte) error {
		if times++; times == 1 {
			return i.hang()
		}
		return nil
	}}))
	d.Limits.HandlerTime = 10 * time.Millisecond
	check(t, h.Deploy(within(t), d))
	check(t, h.Send(d.ID, nil))
	h.quiesce()
	equalEnds(t, b, "a/kept", 1, 1, 0, 0)
}

// TestBatchesAreKept: all messages of a batch in which the instance ends come again.
func TestBatchesAreKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		instance := &batchInstance{held: make(chan struct{}), may: 1}
		h, b := startKeeping(t, parts{others: []core.Engine{&batchEngine{instance: instance}}}, host.Config{})
		d := durable(deployment("a/kept", nil))
		d.Engine = "batch"
		check(t, h.Deploy(t.Context(), d))
		check(t, h.Send(d.ID, []byte("hold")))
		synctest.Wait()
		for i := range 5 { // one of each sender is in the mailbox at a time
			h.sendAs(fmt.Sprintf("airhost/s%d", i), d.ID, "")
		}
		close(instance.held)
		check(t, h.Quiesce(t.Context()))
		if e := b.Ended(d.ID); e.Handled != 6 || e.Failed == 0 || e.Undelivered != 0 || e.Waiting != 0 {
			t.Errorf("the ends are %+v", e)
		}
		equal(t, "dead letters", len(h.DeadLetters()), 0)
	})
}

// TestKeptWhileRemoved: messages that wait stay the broker's when their component is removed, fails
// or the host stops, and are no dead letters.
func TestKeptWhileRemoved(t *testing.T) {
	for _, instances := range []int{1, 3} {
		t.Run(fmt.Sprint(instances), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h, b := startKeeping(t, parts{}, host.Config{})
				gate := make(chan struct{})
				r := new(handles)
				d := durable(deployment("a/kept", nil))
				d.Instances = instances
				d.Source = core.Source{Value: func() guest.Component {
					return behaviour{message: func(_ guest.Host, sender string, message []byte) ([]byte, error) {
						<-gate
						r.add(sender, message)
						return nil, nil
					}}
				}}
				check(t, h.Deploy(t.Context(), d))
				const senders = 10
				for i := range senders {
					h.sendAs(fmt.Sprintf("airhost/s%d", i), d.ID, "")
				}
				synctest.Wait()
				undeployed := make(chan error)
				go func() { undeployed <- h.Undeploy(t.Context(), d.ID) }()
				synctest.Wait()
				close(gate)
				check(t, receive(t, "the end of Undeploy", undeployed))
				if e := b.Ended(d.ID); e.Handled+e.Waiting != senders || e.Failed != 0 || e.Waiting == 0 {
					t.Errorf("the ends are %+v", e)
				}
				check(t, h.Send(d.ID, nil)) // a mailbox takes messages while its component is away
				check(t, h.Quiesce(t.Context()))
				equal(t, "dead letters", len(h.DeadLetters()), 0)
				check(t, h.Deploy(t.Context(), d))
				check(t, h.Quiesce(t.Context()))
				equal(t, "messages handled", len(r.got), senders+1)
			})
		})
	}
}

// TestFailedKeepsMail: when a component fails, what waits stays its broker's.
func TestFailedKeepsMail(t *testing.T) {
	for _, instances := range []int{1, 3} {
		bubble(t, func(t *testing.T) {
			h, b := startKeeping(t, parts{}, host.Config{})
			d := durable(several("a/kept", instances, host.SpreadAny, sameFor(record(new(handles)))))
			d.Restart = host.Restart{Policy: host.RestartTemporary, MaxDeliver: 1}
			check(t, h.Deploy(t.Context(), d))
			for i := range instances {
				h.sendAs(fmt.Sprintf("airhost/s%d", i), d.ID, "trap")
			}
			h.sendAs("airhost/x", d.ID, "fine")
			synctest.Wait()
			e := b.Ended(d.ID)
			equal(t, "ends", fmt.Sprint(e.Failed, e.Handled+e.Waiting, len(h.DeadLetters())), fmt.Sprint(instances, 1, instances))
		})
	}
}

// TestStopKeepsMail: a host that stops asks for no more messages, and those that it has not handled
// are neither dead letters nor an error.
func TestStopKeepsMail(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h, b := startKeeping(t, parts{}, host.Config{DrainTimeout: time.Second})
		began := make(chan struct{}, 10)
		d := durable(toyDeployment("a/kept", &toy{message: func(i *toyInstance, _ []byte) error {
			began <- struct{}{}
			return i.hang()
		}}))
		d.Limits.HandlerTime = time.Hour
		check(t, h.Deploy(t.Context(), d))
		for i := range 4 {
			h.sendAs(fmt.Sprintf("airhost/s%d", i), d.ID, "")
			h.sendAs(fmt.Sprintf("airhost/s%d", i), d.ID, "")
		}
		<-began
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := h.Stop(ctx); errors.Is(err, host.ErrUnhandled) {
			t.Error(err)
		}
		e := b.Ended(d.ID)
		equal(t, "ends", fmt.Sprint(e.Failed, e.Undelivered, e.Waiting, len(h.DeadLetters())), "1 3 8 0")
	})
}

// TestDeliveryNeedsABroker: what keeps no messages is refused, and delivery stays as it is.
func TestDeliveryNeedsABroker(t *testing.T) {
	h := start(t, host.Config{})
	d := durable(deployment("a/kept", echo))
	err := h.Deploy(within(t), d)
	isError(t, "Deploy", err, host.ErrInvalidDeployment)
	contains(t, "Deploy", fmt.Sprint(err), "use the broker nats")
	_, err = h.Prepare(within(t), d)
	isError(t, "Prepare", err, host.ErrInvalidDeployment)
	d.Delivery = "maybe"
	isError(t, "Deploy", h.Deploy(within(t), d), core.ErrOutOfRange)
	d = deployment("a/kept", echo)
	d.Restart.MaxDeliver = core.MaxDeliverLimit + 1
	isError(t, "Deploy", h.Deploy(within(t), d), core.ErrOutOfRange)

	other, _ := startKeeping(t, parts{}, host.Config{})
	other.deploy("a/kept", echo)
	d = durable(deployment("a/kept", echo))
	isError(t, "Update", other.Update(within(t), d), host.ErrNeedsReplacement)
	contains(t, "Replace", fmt.Sprint(other.Replace(within(t), d)), "undeploy it, and deploy it again")
	other.do("a/kept")
}
