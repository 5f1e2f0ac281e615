package core

import (
	"context"
	"time"
)

// Clustered is a Broker that joins its host to others, and can tell of them. Its methods may be
// called from any goroutine, also before Open and after Close.
type Clustered interface {
	// Cluster returns the cluster as its host sees it now. It does not block.
	Cluster() ClusterStatus

	// OnChange sets the function that is told of each change. It is called before Open. The
	// broker calls tell one call at a time, holds no lock meanwhile, and waits for it: it must
	// not block.
	OnChange(tell func(ClusterChange))

	// OnAsk sets the function that makes this host's answer to hosts that ask for its state. The
	// answer is JSON, and has at most so many bytes. Without such a function, which is nil, the
	// host tells nothing.
	OnAsk(answer func(most int) []byte)

	// Ask asks the other hosts that are known for their answers, until all have answered or ctx
	// ends. There is an entry for each host, by name.
	Ask(ctx context.Context) []HostAnswer
}

// ClusterStatus is a cluster as one of its hosts sees it.
type ClusterStatus struct {
	Name       string
	Connected  bool
	Server     string    // the address of the server, the last one if there is no connection; without passwords
	Since      time.Time // when the connection was made, or lost
	Reconnects uint64    // how often it was lost and made again
	Lost       uint64    // outcomes that could not be sent to their host: the request there times out
	Discarded  uint64    // arrivals that were not understood
	Full       uint64    // messages that were refused since their target's host grants no more at a time
	// Unpublished are publications that no other host got: there was no connection, or the server forbids it.
	Unpublished uint64
	Missed      uint64 // publications of other hosts that were dropped, since too many waited for this one
	Redelivered uint64 // messages of durable mailboxes on which an instance ended, and that came again
	// Hosts are those that are there, by name. The first one is the host itself.
	Hosts []HostInfo
}

// HostInfo is a host of a cluster.
type HostInfo struct {
	Name   string
	Labels map[string]string // nobody changes it
	Since  time.Time         // when it was seen first; of the host itself, when it connected first
}

// HostAnswer is the answer of one host of a cluster to [Clustered] Ask.
type HostAnswer struct {
	HostInfo
	Answer []byte
	Err    error // why there is no answer
}

// ClusterChangeKind is a kind of changes of a cluster.
type ClusterChangeKind uint8

// The kinds.
const (
	ClusterConnected    ClusterChangeKind = iota + 1 // the host has its connection, or has it again
	ClusterDisconnected                              // the host has lost its connection
	ClusterHostSeen                                  // another host is there
	ClusterHostGone                                  // another host has left, or has been silent for too long
)

// ClusterChange is a change of a cluster.
type ClusterChange struct {
	Kind   ClusterChangeKind
	Host   HostInfo // which was seen or is gone; else the host itself
	Server string   // of ClusterConnected: its address, without passwords
	Reason error    // of ClusterDisconnected and ClusterHostGone
}
