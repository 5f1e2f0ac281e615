package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/airhost/airhost/core"
)

func idOf(i int) core.ComponentID { return core.MustComponentID(fmt.Sprintf("shop/c-%d", i)) }

// TestChoose: the choice depends on the set of hosts alone; a host that comes takes components and
// moves none between others, and one that goes leaves those of the others where they are.
func TestChoose(t *testing.T) {
	if got := Choose(idOf(1), nil); got != "" {
		t.Errorf("without hosts: %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		hosts := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,3}(-[0-9])?`), 2, 8, rapid.ID[string]).Draw(t, "hosts")
		id := idOf(rapid.IntRange(0, 1e6).Draw(t, "id"))
		all := Choose(id, hosts)
		shuffled := slices.Clone(hosts)
		rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := Choose(id, shuffled); got != all || !slices.Contains(hosts, got) {
			t.Fatalf("%s of %v, %s of the same in another order", all, hosts, got)
		}
		fewer := Choose(id, hosts[1:])
		if all != hosts[0] && fewer != all {
			t.Fatalf("without %s the component of %s moves to %s", hosts[0], all, fewer)
		}
	})
}

// TestChooseBalances: each host gets about its part, also when the names differ in a letter alone.
func TestChooseBalances(t *testing.T) {
	const n = 10000
	for _, hosts := range [][]string{{"a", "b", "c"}, {"host-1", "host-2", "host-3", "host-4", "host-5"}} {
		got := map[string]int{}
		for i := range n {
			got[Choose(idOf(i), hosts)]++
		}
		for _, host := range hosts {
			if part := n / len(hosts); got[host] < part*9/10 || got[host] > part*11/10 {
				t.Errorf("%s has %d of %d components, want about %d: %v", host, got[host], n, part, got)
			}
		}
	}
}

func TestFits(t *testing.T) {
	labels := map[string]string{"zone": "a", "disk": "ssd"}
	for _, test := range []struct {
		wanted map[string]string
		fits   bool
	}{
		{nil, true}, {map[string]string{"zone": "a"}, true}, {map[string]string{"zone": "a", "disk": "ssd"}, true},
		{map[string]string{"zone": "b"}, false}, {map[string]string{"zone": "a", "cpu": "x"}, false}, {map[string]string{"cpu": ""}, false},
	} {
		if got := Fits(labels, test.wanted); got != test.fits {
			t.Errorf("%v: %v", test.wanted, got)
		}
	}
}
