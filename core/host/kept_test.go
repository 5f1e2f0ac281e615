package host_test

import (
	"runtime"
	"testing"
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
