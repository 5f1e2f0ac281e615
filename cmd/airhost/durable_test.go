package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/natstest"
)

// ordersFile has a durable component, and billsFile one that sends to it. %q is the address of a server.
const (
	ordersFile = `
host: {broker: nats, admin: "off", nats: {url: %q, cluster: prod.eu, name: orders.1}}
components: [{id: shop/or.ders, source: counter, engine: native, delivery: durable, restart: {max_deliver: 3}}]
`
	billsFile = `
host: {broker: nats, admin: "off", nats: {url: %q, cluster: prod.eu, name: bills-1}}
components: [{id: shop/bills, source: relay, engine: native, config: {to: shop/or.ders, notify: shop/or.ders}, capabilities: {send: [shop/or.ders], request: [shop/or.ders]}}]
`
)

func natsUserOf(t *testing.T, name, file string) *server.User {
	t.Helper()
	all := permissionsOf(t, writeFile(t, name+".yaml", fmt.Sprintf(file, "nats://a"))).Permissions
	return &server.User{Username: name, Password: "open-sesame", Permissions: &server.Permissions{
		Publish: &server.SubjectPermission{Allow: all.Publish.Allow}, Subscribe: &server.SubjectPermission{Allow: all.Subscribe.Allow},
	}}
}

// TestDurableWithItsPermissions: hosts with no more than their permissions send to a durable component and
// have one; a check that connects meanwhile changes nothing in JetStream.
func TestDurableWithItsPermissions(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	s := natstest.Serve(t, &server.Options{
		JetStream: true, StoreDir: t.TempDir(),
		Users: []*server.User{natsUserOf(t, "orders", ordersFile), natsUserOf(t, "bills", billsFile), {Username: "all", Password: "open-sesame"}},
	})
	url := func(name string) string { return "nats://" + name + ":open-sesame@" + s.Addr().String() }
	orders := writeFile(t, "orders.yaml", fmt.Sprintf(ordersFile, url("orders")))
	bills := writeFile(t, "bills.yaml", fmt.Sprintf(billsFile, url("bills")))
	checks := func(file string) {
		t.Helper()
		if code, out, errs := runs("check", "--online", file); code != exitDone {
			t.Errorf("check --online: exit code %d, %s%s", code, out, errs)
		}
	}
	checks(orders) // before there is anything
	one := serveFile(t, orders)
	two := serveFile(t, bills)
	target := core.MustComponentID("shop/or.ders")
	const n = 20
	for range n {
		if err := two.Send(target, []byte("x")); err != nil {
			t.Fatal(err)
		}
		checks(bills)
		checks(orders)
	}
	for until := time.Now().Add(20 * time.Second); one.Snapshot().Handled < n && time.Now().Before(until); {
		<-time.After(time.Millisecond)
	}
	if got := one.Snapshot(); got.Handled != n || got.DeadLetters != 0 {
		t.Errorf("%d messages handled, %d dead letters, want %d and 0", got.Handled, got.DeadLetters, n)
	}
	c := connect(t, url("all"))
	js, err := jetstream.New(c.Conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "ah_prod--eu_mail")
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.Consumer(t.Context(), "shop~or=ders")
	if err != nil {
		t.Fatal(err)
	}
	if i := consumer.CachedInfo(); i.Delivered.Consumer != n {
		t.Errorf("the consumer has delivered %d messages, want %d: was it made anew?", i.Delivered.Consumer, n)
	}
	b := connect(t, url("bills"))
	for subject, granted := range map[string]bool{
		"ah.prod=eu.mail.shop.or=ders": true, "ah.prod=eu.mail.shop.others": false, "$JS.API.STREAM.DELETE.ah_prod--eu_mail": false,
		"$JS.API.CONSUMER.MSG.NEXT.ah_prod--eu_mail.shop~or=ders": false, "$JS.API.STREAM.PURGE.ah_prod--eu_mail": false, "$KV.ah_prod--eu_durable.shop.or=ders": false,
	} {
		if b.refuses(func() error {
			return b.PublishMsg(&natsgo.Msg{Subject: subject, Header: natsgo.Header{"Nats-Expected-Stream": {"NONE"}}})
		}) == granted {
			t.Errorf("publish to %s: granted is not %v", subject, granted)
		}
	}
}

// TestCheckOfDurable: a file with durable components needs JetStream, and a stream that fits.
func TestCheckOfDurable(t *testing.T) {
	without := writeFile(t, "a.yaml", fmt.Sprintf(ordersFile, natstest.Serve(t, &server.Options{}).ClientURL()))
	code, _, errs := runs("check", "--online", without)
	if code != exitFailed || !strings.Contains(errs, "the NATS server has no JetStream, which delivery: durable needs: enable it") {
		t.Errorf("without JetStream: exit code %d, %s", code, errs)
	}
	s := natstest.Serve(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	js, err := jetstream.New(connect(t, s.ClientURL()).Conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ah_prod--eu_mail", Subjects: []string{"ah.prod=eu.mail.>"}}); err != nil {
		t.Fatal(err)
	}
	code, _, errs = runs("check", "--online", writeFile(t, "b.yaml", fmt.Sprintf(ordersFile, s.ClientURL())))
	if code != exitFailed || !strings.Contains(errs, "the stream ah_prod--eu_mail has the retention Limits, want WorkQueue: change it") {
		t.Errorf("a stream that does not fit: exit code %d, %s", code, errs)
	}
}
