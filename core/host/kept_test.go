package host_test

import (
	"runtime"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/guest"
)

// big is a guest of 1 MB.
type big struct {
	behaviour
	_ [1 << 20]byte
}

// TestUndeployKeepsNothing: a guest is garbage once it is undeployed, although a worker ran it
// last and another component has a route to it.
func TestUndeployKeepsNothing(t *testing.T) {
	h := start(t, host.Config{Workers: 1})
	h.deploy("a/sender", behaviour{message: func(g guest.Host, _ string, m []byte) ([]byte, error) {
		return nil, g.Send("a/big", m)
	}})
	last := h.deployBig()
	_, err := h.request("a/sender", "ping")
	check(t, err)
	h.quiesce()
	check(t, h.Undeploy(within(t), id("a/big")))
	for range 4 { // finalizers, and values in a sync.Pool, take more than one collection
		runtime.GC()
	}
	if last.Value() != nil {
		t.Error("the host keeps the guest alive")
	}
	runtime.KeepAlive(h)
}

// deployBig deploys a guest that its caller does not keep alive.
func (h *testHost) deployBig() weak.Pointer[big] {
	guest := &big{}
	h.deploy("a/big", guest)
	return weak.Make(guest)
}

// TestChangesKeepNothing: the guest of an instance that an update or a replacement ends is
// garbage, and so is the source of the version before, although health timers still run.
func TestChangesKeepNothing(t *testing.T) {
	h := start(t, host.Config{Workers: 1})
	old := make([]weak.Pointer[big], 0, 4)
	d := severalBig(3, &old)
	check(t, h.Deploy(within(t), d))
	for range 10 {
		h.do("a/big")
	}
	d.Instances = 1
	check(t, h.Update(within(t), d))
	h.quiesce()
	if kept := alive(old[1:]); kept != 1 {
		t.Errorf("%d guests are kept after an update to one instance", kept)
	}
	check(t, h.Replace(within(t), severalBig(2, new([]weak.Pointer[big]))))
	d = host.Deployment{}
	h.do("a/big")
	h.quiesce()
	if kept := alive(old); kept != 0 {
		t.Errorf("%d guests and sources of the version before are kept after a replacement", kept)
	}
	runtime.KeepAlive(h)
}

// severalBig is a deployment of big guests with n instances. It adds its source's own value
// to made, and then each guest.
func severalBig(n int, made *[]weak.Pointer[big]) host.Deployment {
	own := &big{}
	*made = append(*made, weak.Make(own))
	var mu sync.Mutex
	d := several("a/big", n, host.SpreadAny, func() guest.Component {
		g := &big{behaviour: own.behaviour}
		mu.Lock()
		defer mu.Unlock()
		*made = append(*made, weak.Make(g))
		return g
	})
	d.HealthInterval = time.Hour
	return d
}

func alive(all []weak.Pointer[big]) (n int) {
	for range 4 {
		runtime.GC()
	}
	for _, p := range all {
		if p.Value() != nil {
			n++
		}
	}
	return n
}
