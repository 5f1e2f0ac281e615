package nemesis

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
	_ "unsafe" // for linkname

	"github.com/nats-io/nats-server/v2/server"
)

// The times of elections of Raft. The server has 4 to 9 s, and 1 s between heartbeats, and
// no options for them: rounds would mostly wait for elections.
//
//go:linkname minElectionTimeout github.com/nats-io/nats-server/v2/server.minElectionTimeout
var minElectionTimeout time.Duration

//go:linkname maxElectionTimeout github.com/nats-io/nats-server/v2/server.maxElectionTimeout
var maxElectionTimeout time.Duration

//go:linkname hbInterval github.com/nats-io/nats-server/v2/server.hbInterval
var hbInterval time.Duration

// serverSettings are those of the role server.
type serverSettings struct {
	Name   string
	Host   string // the address that it listens at
	Client int    // the port of clients
	Route  int    // the port of other servers
	Peers  []string
	Store  string
	Hasty  bool // elections take a third of their time
}

// serveNATS runs a server until standard input ends. For each command it tells the state of the streams.
func serveNATS(s serverSettings) error {
	if s.Hasty {
		minElectionTimeout, maxElectionTimeout, hbInterval = minElectionTimeout/3, maxElectionTimeout/3, hbInterval/3
	}
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
	out := json.NewEncoder(os.Stdout)
	err = out.Encode("ready")
	for in := bufio.NewScanner(os.Stdin); err == nil && in.Scan(); {
		var c command
		if err = json.Unmarshal(in.Bytes(), &c); err != nil {
			break
		}
		var answer any
		if c.Do == "groups" {
			answer, err = groupsOf(nats, s.Name)
		} else {
			answer, err = stateOf(nats)
		}
		if err == nil {
			err = out.Encode(answer)
		}
	}
	nats.Shutdown()
	return err
}

// groupsOf returns the streams and durable consumers that a server knows, with JetStream
// itself, and of which of them it is the leader of replicas that are all up to date.
func groupsOf(nats *server.Server, name string) (map[string]bool, error) {
	groups := map[string]bool{}
	if !nats.JetStreamEnabled() {
		return map[string]bool{"JetStream of " + name: false}, nil
	}
	all, err := nats.Jsz(&server.JSzOptions{Streams: true, Consumer: true, Config: true, Accounts: true})
	if err != nil {
		return nil, err
	}
	current := func(c *server.ClusterInfo) bool {
		if c == nil || c.Leader != name {
			return false
		}
		for _, replica := range c.Replicas {
			if !replica.Current || replica.Offline {
				return false
			}
		}
		return len(c.Replicas) == len(serverNames)-1
	}
	groups["JetStream"] = nats.JetStreamIsLeader()
	for _, account := range all.AccountDetails {
		for _, stream := range account.Streams {
			groups[stream.Name] = current(stream.Cluster)
			for _, consumer := range stream.Consumer {
				if consumer.Config == nil || consumer.Config.Durable == "" {
					continue // it has no replicas: a host that has lost it makes another one
				}
				groups[stream.Name+" "+consumer.Name] = current(consumer.Cluster)
			}
		}
	}
	return groups, nil
}

// stateOf describes the store of a server.
func stateOf(nats *server.Server) (string, error) {
	all, err := nats.Jsz(&server.JSzOptions{Streams: true, Consumer: true, Accounts: true})
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, account := range all.AccountDetails {
		for _, stream := range account.Streams {
			leader := ""
			if stream.Cluster != nil {
				leader = stream.Cluster.Leader
			}
			fmt.Fprintf(&text, "%s: leader %s, %d messages from %d to %d\n", stream.Name, leader, stream.State.Msgs, stream.State.FirstSeq, stream.State.LastSeq)
			for _, c := range stream.Consumer {
				leader := ""
				if c.Cluster != nil {
					leader = c.Cluster.Leader
				}
				fmt.Fprintf(&text, "  %s: leader %s, created %v, delivered %+v, acknowledged %+v, %d without acknowledgment, %d again, %d waiting, %d pulls\n",
					c.Name, leader, c.Created, c.Delivered, c.AckFloor, c.NumAckPending, c.NumRedelivered, c.NumPending, c.NumWaiting)
			}
		}
	}
	return text.String(), nil
}
