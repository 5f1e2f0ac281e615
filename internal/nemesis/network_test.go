package nemesis

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// link is how the way from one process to another is at the moment. The zero value is a good one.
type link struct {
	cut           bool
	delay, jitter time.Duration
	loss          float64 // 0 to 1
}

func (l link) String() string {
	switch {
	case l.cut:
		return "cut"
	case l.loss > 0:
		return fmt.Sprintf("%.0f %% lost", 100*l.loss)
	}
	return fmt.Sprintf("%v±%v late", l.delay, l.jitter)
}

// wait is how long something takes on the link, or false if it is lost.
func (l link) wait(random *rand.Rand) (time.Duration, bool) {
	if l.cut || l.loss > 0 && random.Float64() < l.loss {
		return 0, false
	}
	wait := l.delay
	if l.jitter > 0 {
		wait += time.Duration(random.Int64N(int64(2*l.jitter))) - l.jitter
	}
	return max(0, wait), true
}

// network is between the processes. There are two: packets between network namespaces, and
// connections within one of them.
type network interface {
	// start starts a process at the place of a host or a server.
	start(name string, command *exec.Cmd) error
	// address returns where a process is to listen, or is reached: one process for all, or one way for
	// each other.
	listen(server string) (host string, client, route int)
	reach(from, server string) (client, route string)
	// set changes the way from one process to another, in this direction alone.
	set(from, to string, l link)
	// store returns the directory for a server's files, and the size of the disk in bytes if it can be
	// filled, else 0.
	store(server string) (directory string, size int64)
	// inside runs a function where the stores are visible.
	inside(do func() error) error
	close()
}

// links are the links of all ways.
type links struct {
	mu     sync.Mutex // guards the following
	ways   map[[2]string]link
	random *rand.Rand
	change chan struct{} // closed when a link has changed
}

func newLinks(seed uint64) *links {
	return &links{ways: map[[2]string]link{}, random: rand.New(rand.NewPCG(seed, 1)), change: make(chan struct{})}
}

func (n *links) set(from, to string, l link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ways[[2]string{from, to}] = l
	close(n.change)
	n.change = make(chan struct{})
}

// wait is [link.wait] of the way. changed is closed when the link is another one.
func (n *links) wait(from, to string) (wait time.Duration, passes bool, l link, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l = n.ways[[2]string{from, to}]
	wait, passes = l.wait(n.random)
	return wait, passes, l, n.change
}

// newNetwork returns packets between namespaces if this process may have them, and says why not.
func newNetwork(directory string, seed uint64) (n network, kind string, err error) {
	why := "AIRHOST_NEMESIS_NETWORK says so"
	if os.Getenv("AIRHOST_NEMESIS_NETWORK") != "proxies" {
		packets, err := newSwitch(directory, seed)
		if err == nil {
			return packets, "packets between network namespaces", nil
		}
		why = err.Error()
	}
	n, err = newProxies(directory, seed)
	return n, "connections through proxies, since " + why, err
}

// storeOf is the directory of a server's files.
func storeOf(directory, server string) string { return filepath.Join(directory, "store", server) }
