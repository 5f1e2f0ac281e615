package service

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/airhost/airhost/examples/cart"
	"github.com/airhost/airhost/internal/config"
)

func init() { nativeComponents["cart"] = cart.New }

const withCarts = `keyvalue: {store: nats}
components:
 - {id: c/0, source: cart, engine: native, place: any, capabilities: {keyvalue: [default]}}
 - {id: own/NAME, source: cart, engine: native, capabilities: {keyvalue: [default]}}
`

// put puts an article into a cart until the component that has it takes the message.
func (m *member) put(id, message string) (response string) {
	m.t.Helper()
	until(m.t, id+" takes "+message, func() bool {
		got, err := answers(m.Service, id, message)
		response = got
		return err == nil
	})
	return response
}

// TestKeysMove: a component that runs on another host later has its keys there, and one that stays loses
// none while NATS cannot be reached.
func TestKeysMove(t *testing.T) {
	to := natsServer(t)
	a, b := join(t, to, "a", strings.ReplaceAll(withCarts, "NAME", "a")), join(t, to, "b", strings.ReplaceAll(withCarts, "NAME", "b"))
	balanced(t, 1, a, b)
	if got := a.put("c/0", "eve tea"); got != "tea" {
		t.Fatalf("the cart is %q", got)
	}
	from, other := a, b
	if len(b.here("c")) == 1 {
		from, other = b, a
	}
	id := "own/" + other.name
	if got := other.put(id, "eve milk"); got != "milk" {
		t.Errorf("the cart is %q", got)
	}
	from.line.cut(true) // then another host claims its component
	if got := other.put("c/0", "eve bread"); got != "tea bread" {
		t.Errorf("the cart is %q on the other host", got)
	}
	names, err := other.KeyValue().Buckets(t.Context())
	if want := []string{"c/0", id}; err != nil || !slices.Equal(names, want) {
		t.Errorf("the buckets are %v, %v", names, err)
	}
	other.line.cut(true)
	until(t, "the connection is lost", func() bool { c, _ := other.Cluster(); return !c.Connected })
	if _, err := answers(other.Service, id, "eve wine"); err == nil || !strings.Contains(err.Error(), "the connection to NATS is lost") {
		t.Errorf("without NATS the error is %v", err)
	}
	other.line.cut(false)
	if got := other.put(id, "eve salt"); got != "milk salt" {
		t.Errorf("the cart is %q", got)
	}
}

// TestKeysInNATS: what check and the permissions say about a store in NATS.
func TestKeysInNATS(t *testing.T) {
	to := natsServer(t)
	path := filepath.Join(t.TempDir(), "airhost.yaml")
	err := os.WriteFile(path, []byte(clusterFile(to, "a", strings.ReplaceAll(withCarts, "NAME", "a"))), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	file, err := config.Load(path, Built())
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(Permissions(file).Publish, "\n")
	for _, want := range []string{"$KV.ah_c--1_kv.>", "$JS.API.STREAM.MSG.GET.KV_ah_c--1_kv"} {
		if !strings.Contains(all, want) {
			t.Errorf("the host may not publish to %s:\n%s", want, all)
		}
	}
	if found, err := Online(t.Context(), file); err != nil {
		t.Errorf("%s: %v", found, err)
	}
}
