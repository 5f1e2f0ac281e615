package natstest

import (
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Cluster runs a cluster of so many servers with JetStream until the test ends.
func Cluster(t testing.TB, name string, servers int) []*server.Server {
	t.Helper()
	var ports []int
	var routes []*url.URL
	for range servers {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: listener.Addr().String()})
		check(t, listener.Close()) // the server takes it
	}
	all := make([]*server.Server, servers)
	for i, port := range ports {
		all[i] = Serve(t, &server.Options{
			ServerName: fmt.Sprint(name, "-", i), JetStream: true, StoreDir: t.TempDir(), Routes: routes,
			Cluster: server.ClusterOpts{Name: name, Host: "127.0.0.1", Port: port},
		})
	}
	end := time.Now().Add(time.Minute)
	for _, s := range all {
		for !s.JetStreamIsCurrent() || len(s.JetStreamClusterPeers()) < servers && s.JetStreamIsLeader() {
			if time.Now().After(end) {
				t.Fatal("the cluster has no leader")
			}
			<-time.After(time.Millisecond)
		}
	}
	return all
}
