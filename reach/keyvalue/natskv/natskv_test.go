package natskv

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/airhost/airhost/internal/natstest"
	"github.com/airhost/airhost/reach/keyvalue/storetest"
)

// serve runs a NATS server with JetStream until the test ends.
func serve(t *testing.T) *server.Server {
	return natstest.Serve(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
}

// broker has a connection, or none for a reason.
type broker struct {
	conn *nats.Conn
	err  error
}

func (b broker) Connection() (*nats.Conn, error) { return b.conn, b.err }

// storeAt returns a store on a server, as one host has it.
func storeAt(t *testing.T, s *server.Server) *Store {
	t.Helper()
	conn, err := nats.Connect(s.ClientURL(), nats.ReconnectBufSize(-1), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	store := New(Config{Broker: broker{conn, nil}, Bucket: "ah_test_kv"})
	store.patience = time.Minute // of a busy machine
	return store
}

// TestStore: the store keeps the promises of all stores.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return storeAt(t, serve(t)) })
}
