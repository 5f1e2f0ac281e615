package natskv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/natstest"
	"github.com/airhost/airhost/reach/keyvalue/storetest"
)

// threeHosts returns the same bucket as three hosts have it.
func threeHosts(t *testing.T, servers ...*server.Server) (all []host.StoreBucket) {
	for i := range 3 {
		all = append(all, storeAt(t, servers[i%len(servers)]).Bucket("shop/cart"))
	}
	return all
}

// TestQuotaOfHosts: three hosts that write at once do not pass the quota together, and lose nothing.
func TestQuotaOfHosts(t *testing.T) {
	t.Parallel()
	storetest.QuotaRace(t, threeHosts(t, serve(t)))
}

func TestAtomicityOfHosts(t *testing.T) {
	t.Parallel()
	storetest.Atomicity(t, threeHosts(t, serve(t)))
}

// TestCluster: the same with a stream that three servers keep, each of which has a host.
func TestCluster(t *testing.T) {
	t.Parallel()
	servers := natstest.Cluster(t, "kv", 3)
	var all []host.StoreBucket
	for _, s := range servers {
		store := storeAt(t, s)
		store.config.Replicas = 3
		all = append(all, store.Bucket("shop/cart"))
	}
	storetest.QuotaRace(t, all)
	storetest.Atomicity(t, all)
	if n, err := all[0].(*bucket).store.Check(t.Context()); n != 3 || err != nil {
		t.Errorf("%d servers keep the stream, %v", n, err)
	}
}

func set(key, data string) host.BucketWrite {
	return host.BucketWrite{Kind: host.WriteSet, Key: key, Data: []byte(data), Quota: host.NoBucketQuota}
}

// put sets a key, and fails the test if that fails.
func put(t *testing.T, b host.StoreBucket, key, data string) {
	t.Helper()
	if _, err := b.Write(t.Context(), set(key, data)); err != nil {
		t.Fatal(err)
	}
}

// TestRestart: a change that was taken is there after the server has been started again, also for a host that has
// gone on meanwhile.
func TestRestart(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	first := natstest.Serve(t, &server.Options{JetStream: true, StoreDir: folder})
	s := storeAt(t, first)
	b := s.Bucket("shop/cart")
	for i := range 20 {
		put(t, b, fmt.Sprint(i), "before")
	}
	before, err := b.Get(t.Context(), "7")
	check(t, err)
	port := first.Addr().String()
	first.Shutdown()
	first.WaitForShutdown()
	_, err = b.Write(within(t, 200*time.Millisecond), set("7", "lost"))
	if err == nil {
		t.Fatal("a change was taken without a server")
	}
	var number int
	_, err = fmt.Sscanf(port[strings.LastIndexByte(port, ':'):], ":%d", &number)
	check(t, err)
	natstest.Serve(t, &server.Options{JetStream: true, StoreDir: folder, Port: number})
	v, err := b.Get(t.Context(), "7")
	for end := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(end); { // until it is connected again
		<-time.After(10 * time.Millisecond)
		v, err = b.Get(t.Context(), "7")
	}
	if err != nil || string(v.Data) != "before" || v.Version != before.Version {
		t.Fatalf("the key has %q (%d), %v", v.Data, v.Version, err)
	}
	put(t, b, "7", "after")
	if used, err := b.Usage(t.Context()); err != nil || used.Keys != 20 {
		t.Errorf("the usage is %v, %v", used, err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// within returns a context that ends soon.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestUnknown: the error says so if the answer to a change was lost. A change that has not left was not made.
func TestUnknown(t *testing.T) {
	natsServer := serve(t)
	s := storeAt(t, natsServer)
	b := s.Bucket("shop/cart")
	put(t, b, "k", "v")
	conn := connect(t, natsServer)
	_, err := conn.Subscribe("$KV.ah_deaf_kv.>", func(*nats.Msg) {}) // takes all, and does not answer
	check(t, err)
	check(t, conn.Flush())
	deaf := New(Config{Broker: broker{conn, nil}, Bucket: "ah_deaf_kv"})
	err = deaf.commit(within(t, 50*time.Millisecond), conn, &nats.Msg{Subject: "$KV.ah_deaf_kv.a.k.b", Header: nats.Header{}})
	if err == nil || !strings.Contains(err.Error(), "it is unknown whether a change was made") {
		t.Errorf("without an answer the error is %v", err)
	}
	lost := errors.New("the connection to NATS is lost")
	s.Use(broker{nil, lost})
	for _, err := range []error{third(b.Keys(t.Context(), "", 1)), second(b.Get(t.Context(), "k")), second(b.Write(t.Context(), set("k", "w"))), second(b.Usage(t.Context()))} {
		if !errors.Is(err, lost) || strings.Contains(err.Error(), "unknown") {
			t.Errorf("without a connection the error is %v", err)
		}
	}
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }

func connect(t *testing.T, s *server.Server) *nats.Conn {
	conn, err := nats.Connect(s.ClientURL())
	check(t, err)
	t.Cleanup(conn.Close)
	return conn
}

// TestRefusals: a value that the server cannot take is refused with a reason, and nothing changes.
func TestRefusals(t *testing.T) {
	t.Parallel()
	natsServer := serve(t)
	s := storeAt(t, natsServer)
	b := s.Bucket("shop/cart")
	put(t, b, "k", "v")
	fails := func(want string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
	most := int(s.of.MaxPayload()) - headers
	put(t, b, "large", strings.Repeat("x", most))
	_, err := b.Write(t.Context(), set("k", strings.Repeat("x", most+1)))
	fails("the NATS server takes 1047552 (its max_payload)", err)

	js, err := jetstream.New(connect(t, natsServer))
	check(t, err)
	limited := s.streamConfig()
	limited.MaxBytes = 2 << 20
	_, err = js.UpdateStream(t.Context(), limited)
	check(t, err)
	put(t, b, "large", strings.Repeat("y", most/2))
	_, err = b.Write(t.Context(), set("large2", strings.Repeat("x", most)))
	if err == nil {
		_, err = b.Write(t.Context(), set("large3", strings.Repeat("x", most)))
	}
	fails("nothing was changed: NATS has refused it: ", err)
	fails("maximum bytes", err)
	put(t, b, "k", "w") // a value that is not larger still goes

	_, err = js.Publish(t.Context(), s.subject(encode("shop/cart"), usagePart), []byte("{"))
	check(t, err)
	_, err = b.Usage(t.Context())
	fails("the usage of the bucket shop/cart in NATS is damaged", err)
	_, err = s.Buckets(t.Context())
	fails("the usage of the bucket shop/cart in NATS is damaged", err)
	check(t, js.DeleteStream(t.Context(), s.Stream()))
	_, err = b.Get(t.Context(), "k")
	fails("", err)
	for until := time.Now().Add(10 * time.Second); ; <-time.After(10 * time.Millisecond) {
		if _, err = b.Write(t.Context(), set("k", "new")); err == nil || time.Now().After(until) { // the server may still remove the old stream
			break
		}
	}
	check(t, err) // it is in a stream that was made anew
	if used, err := b.Usage(t.Context()); err != nil || used.Keys != 1 {
		t.Errorf("the usage is %v, %v", used, err)
	}
}

// TestMisfit: a stream that cannot keep buckets is not used.
func TestMisfit(t *testing.T) {
	natsServer := serve(t)
	js, err := jetstream.New(connect(t, natsServer))
	check(t, err)
	for name, change := range map[string]func(*jetstream.StreamConfig){
		"has no allow_atomic":              func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false },
		"has no allow_msg_ttl":             func(c *jetstream.StreamConfig) { c.AllowMsgTTL = false },
		"has allow_direct":                 func(c *jetstream.StreamConfig) { c.AllowDirect = true },
		"does not keep the last message":   func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 2 },
		"forgets messages after 1h0m0s":    func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		`has the subjects ["$KV.other.>"]`: func(c *jetstream.StreamConfig) { c.Subjects = []string{"$KV.other.>"} },
	} {
		s := storeAt(t, natsServer)
		c := s.streamConfig()
		change(&c)
		_, err := js.CreateStream(t.Context(), c)
		check(t, err)
		if _, err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("the error is %v, want %q", err, name)
		}
		check(t, js.DeleteStream(t.Context(), c.Name))
	}
	without := storeAt(t, natstest.Serve(t, &server.Options{}))
	if _, err := without.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "needs JetStream in the NATS servers") {
		t.Errorf("the error is %v", err)
	}
}

// TestRemoved: the message of a key that was removed ends, and the key can be set before and after.
func TestRemoved(t *testing.T) {
	natsServer := serve(t)
	s := storeAt(t, natsServer)
	b := s.bucket("shop/cart")
	put(t, b, "k", "v")
	first, err := b.Get(t.Context(), "k")
	check(t, err)
	_, err = b.Write(t.Context(), host.BucketWrite{Kind: host.WriteDelete, Key: "k", Quota: host.NoBucketQuota})
	check(t, err)
	js, err := jetstream.New(connect(t, natsServer))
	check(t, err)
	stream, err := js.Stream(t.Context(), s.Stream())
	check(t, err)
	got, err := stream.GetLastMsgForSubject(t.Context(), b.keySubject("k"))
	if err != nil || got.Header.Get(timeToLive) != removedFor || len(got.Data) != 0 {
		t.Fatalf("the removal is %v, %v", got, err)
	}
	check(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject(b.keySubject("k")))) // as its end does
	if keys, _, err := b.Keys(t.Context(), "", 10); err != nil || len(keys) > 0 {
		t.Errorf("keys are %v, %v", keys, err)
	}
	put(t, b, "k", "v")
	if again, err := b.Get(t.Context(), "k"); err != nil || again.Version <= first.Version {
		t.Errorf("the version is %d after %d, %v", again.Version, first.Version, err)
	}
}

// TestListings: listings that are kept for their next page are bounded together, and a page without one
// is right all the same.
func TestListings(t *testing.T) {
	s := storeAt(t, serve(t))
	b := s.bucket("shop/cart")
	for _, key := range []string{"a", "b", "c"} {
		put(t, b, key, "")
	}
	page := func(after string, kept int, want ...string) {
		t.Helper()
		keys, _, err := b.Keys(t.Context(), after, 2)
		if err != nil || !slices.Equal(keys, want) || s.listed != kept {
			t.Errorf("keys are %v, %v, and %d bytes are kept; want %v, %d", keys, err, s.listed, want, kept)
		}
	}
	page("", 3, "a", "b")
	page("b", 0, "c")
	s.listed = maxListed - 2 // of other buckets
	page("", maxListed-2, "a", "b")
	page("b", maxListed-2, "c")
}

// TestScans: no more scans than there may be are in progress, and one that waits ends with its context.
func TestScans(t *testing.T) {
	s := storeAt(t, serve(t))
	put(t, s.Bucket("shop/cart"), "k", "v")
	for range maxScans {
		s.scans <- struct{}{}
	}
	if _, err := s.Buckets(within(t, 20*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	<-s.scans
	if names, err := s.Buckets(t.Context()); err != nil || len(names) != 1 {
		t.Errorf("the buckets are %v, %v", names, err)
	}
	if len(s.scans) != maxScans-1 {
		t.Errorf("%d scans are in progress", len(s.scans))
	}
}
