package measure

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/remote"
)

// Isolated measures each cell of Source, and each floor, in a process of its own. No
// figure depends on earlier work of the process, or on the garbage of other cells.
type Isolated struct {
	Source
	// Command returns a new command that serves the same source.
	Command func() *exec.Cmd
}

// Open implements [Source].
func (i Isolated) Open(ctx context.Context, key cells.Key, floor bool) (remote.Subject, error) {
	return remote.Dedicated(ctx, key.String(), i.Command(), key, floor)
}

// Peers measures the cells that another program offers.
type Peers struct {
	program *remote.Program
	offers  []remote.Offer
}

// NewPeers asks the program what it offers. The caller closes the program.
func NewPeers(ctx context.Context, program *remote.Program) (*Peers, error) {
	offers, err := program.Offers(ctx)
	if err != nil {
		return nil, err
	}
	return &Peers{program, offers}, nil
}

// AllPeers stands for the names of all peers.
const AllPeers = "all"

// Keys returns the cells of the named peers that have the pattern and the payload of
// one of own's latency cells. [AllPeers] names all of them. A name that the program
// does not know is an error.
func (p *Peers) Keys(names []string, own []cells.Key) ([]cells.Key, error) {
	if err := p.check(names); err != nil {
		return nil, err
	}
	var keys []cells.Key
	for _, key := range own {
		for _, offer := range p.offers {
			peer := offer.Key
			peer.PayloadBytes = key.PayloadBytes
			wanted := slices.Contains(names, AllPeers) || slices.Contains(names, peer.Engine)
			if wanted && key.Mode == cells.Latency && key.Pattern == peer.Pattern && !slices.Contains(keys, peer) {
				keys = append(keys, peer)
			}
		}
	}
	return keys, nil
}

func (p *Peers) check(names []string) error {
	known := []string{AllPeers}
	for _, offer := range p.offers {
		if !slices.Contains(known, offer.Key.Engine) {
			known = append(known, offer.Key.Engine)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no %q, want some of %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// Reason implements [Source].
func (p *Peers) Reason(key cells.Key) string {
	for _, offer := range p.offers {
		if offer.Key.Engine == key.Engine && offer.Key.Pattern == key.Pattern {
			return offer.Reason
		}
	}
	return "the program does not offer it"
}

// Target implements [Source]: other projects have no targets.
func (p *Peers) Target(cells.Key) (float64, bool) { return 0, false }

// OutOfProcess implements [Source].
func (p *Peers) OutOfProcess(cells.Key) bool { return true }

// Open implements [Source].
func (p *Peers) Open(ctx context.Context, key cells.Key, floor bool) (remote.Subject, error) {
	return p.program.Open(ctx, key, floor)
}
