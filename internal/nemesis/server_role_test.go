package nemesis

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// serverSettings are those of the role server.
type serverSettings struct {
	Name   string
	Host   string // the address that it listens at
	Client int    // the port of clients
	Route  int    // the port of other servers
	Peers  []string
	Store  string
}

// serveNATS runs a server until standard input ends.
func serveNATS(s serverSettings) error {
	o := &server.Options{
		ServerName: s.Name, Host: s.Host, Port: s.Client, NoSigs: true,
		JetStream: true, StoreDir: s.Store, SyncAlways: true, JetStreamMaxStore: 256 << 20, JetStreamMaxMemory: 64 << 20,
		// A dead line must be found within a round.
		PingInterval: time.Second, MaxPingsOut: 2, WriteDeadline: 2 * time.Second,
		Cluster: server.ClusterOpts{
			Name: "nemesis", Host: s.Host, Port: s.Route, PoolSize: -1, PingInterval: time.Second, MaxPingsOut: 2,
			// Nobody goes a way that the network does not know.
			NoAdvertise: true, Advertise: "127.0.0.1:1",
		},
		NoLog: os.Getenv("AIRHOST_NEMESIS_LOG") == "",
	}
	for _, peer := range s.Peers {
		u, err := url.Parse(peer)
		if err != nil {
			return err
		}
		o.Routes = append(o.Routes, u)
	}
	nats, err := server.NewServer(o)
	if err != nil {
		return err
	}
	nats.ConfigureLogger()
	nats.Start()
	if !nats.ReadyForConnections(time.Minute) {
		return errors.New("the server is not ready")
	}
	fmt.Println(`"ready"`)
	_, err = io.Copy(io.Discard, os.Stdin)
	nats.Shutdown()
	return err
}
