package nats_test

import (
	"fmt"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/airhost/airhost/guest"
)

// TestMailIsLostOnItsWay: a message that JetStream has sent and that does not come, as on a route that
// breaks, comes again, and before later ones. So it does when the consumer has another leader,
// which does not know all that the former one has sent.
func TestMailIsLostOnItsWay(t *testing.T) {
	s := store(t, t.TempDir(), nil)
	a := join(t, s.ClientURL(), "a")
	b := new(book)
	a.deployMail(t, "a/mail", component(func(_ guest.Host, m []byte) ([]byte, error) { b.add("any", m); return nil, nil }))
	other, err := natsgo.Connect(s.ClientURL())
	check(t, err)
	defer other.Close()
	thief, err := other.SubscribeSync("thief")
	check(t, err)
	const n = 20
	for i := range n {
		if i == n/2 {
			check(t, other.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.ah_default_mail.a~mail", "thief", []byte(`{"batch":2}`)))
			check(t, other.Flush())
		}
		check(t, a.Send(mailID, fmt.Append(nil, i)))
	}
	if _, err := thief.NextMsg(patience); err != nil { // the host does not get it
		t.Fatal(err)
	}
	inOrder(t, b.has(t, "any", n), n)
	const changed = "NATS/1.0 409 Leadership Change"
	for inbox := range 9 { // one of them is the mailbox's
		check(t, other.PublishMsg(&natsgo.Msg{
			Subject: fmt.Sprintf("ah.default.host.a.inbox.mail.%x", inbox), Header: natsgo.Header{"Status": {"409"}, "Description": {changed}},
		}))
	}
	check(t, other.Flush())
	for i := range n {
		check(t, a.Send(mailID, fmt.Append(nil, n+i)))
	}
	inOrder(t, b.has(t, "any", 2*n), 2*n)
	holds(t, js(t, s), 0)
}
