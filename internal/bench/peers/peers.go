package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/remote"
)

// peer is a project that users could pick instead of airhost.
type peer struct {
	name string
	// module is the module whose version matters, or "" for Go's own.
	module string
	// patterns are airhost's patterns that the peer can do.
	patterns []cells.Pattern
	what     string
	// missing is the reason why it is not in this build, or "".
	missing string
	open    func(ctx context.Context, pattern cells.Pattern, payload int) (host, error)
}

var (
	everything = cells.Patterns()
	messages   = []cells.Pattern{cells.FireAndForget, cells.RequestResponse}
	onlyCall   = []cells.Pattern{cells.Call}
)

// peers are all of them, those that run WebAssembly first.
var peers = []peer{
	{
		name: "wazero-bare", module: "github.com/tetratelabs/wazero", patterns: everything, open: openWazero,
		what: "guest to guest through a host function and a queue, without checks",
	}, {
		name: "wazero-interruptible", module: "github.com/tetratelabs/wazero", patterns: everything, open: openWazeroInterruptible,
		what: "the same with WithCloseOnContextDone",
	}, {
		name: "wasmtime-go-bare", module: "github.com/bytecodealliance/wasmtime-go/v39", patterns: everything, open: openWasmtime,
		missing: wasmtimeMissing,
		what:    "as wazero-bare, by wasmtime-go's public calls",
	}, {
		name: "knqyf263-go-plugin", module: "github.com/knqyf263/go-plugin", patterns: onlyCall, open: openGreeter,
		what: "protobuf services in WebAssembly, on wazero",
	}, {
		name: "extism", module: "github.com/extism/go-sdk", patterns: onlyCall, open: openExtism,
		what: "plug-ins in WebAssembly, on wazero, that nothing can interrupt",
	}, {
		name: "extism-timeout", module: "github.com/extism/go-sdk", patterns: onlyCall, open: openExtismTimeout,
		what: "the same with a timeout for each call",
	}, {
		name: "hashicorp-go-plugin", module: "github.com/hashicorp/go-plugin", patterns: onlyCall, open: openHashicorp,
		what: "gRPC to a process of its own",
	}, {
		name: "nats-embedded", module: "github.com/nats-io/nats-server/v2", patterns: messages, open: openNATS,
		what: "a server and two clients in one process",
	}, {
		name: "go-channels", patterns: messages, open: openChannels,
		what: "two goroutines, nothing else",
	}, {
		name: "protoactor-go", module: "github.com/asynkron/protoactor-go", patterns: messages, open: openProtoactor,
		what: "actors in Go",
	},
}

// key is the cell of a peer's pattern. A peer stands where an engine does, and
// has neither broker nor tracker.
func (p peer) key(pattern cells.Pattern, payload int) cells.Key {
	return cells.Key{Engine: p.name, Pattern: pattern, PayloadBytes: payload, Mode: cells.Latency, Peer: true}
}

// version is the module's in this build, or Go's.
func (p peer) version(build *debug.BuildInfo) string {
	if p.module == "" {
		return build.GoVersion
	}
	for _, dependency := range build.Deps {
		if dependency.Path == p.module {
			return dependency.Version
		}
	}
	return "unknown"
}

// usualPayload is the payload of offers in bytes; others can be opened as well.
const usualPayload = 64

// offers are the cells of all peers.
func offers() (all []remote.Offer) {
	for _, p := range peers {
		for _, pattern := range p.patterns {
			all = append(all, remote.Offer{Key: p.key(pattern, usualPayload), Reason: p.missing})
		}
	}
	return all
}

var errUnknown = errors.New("no peer has this cell")

// open sets up a peer's cell. A floor, or a cell of no peer, is an error.
func open(ctx context.Context, key cells.Key, floor bool) (remote.Subject, error) {
	i := slices.IndexFunc(peers, func(p peer) bool {
		return slices.Contains(p.patterns, key.Pattern) && p.key(key.Pattern, key.PayloadBytes) == key
	})
	switch {
	case i < 0:
		return nil, fmt.Errorf("%s: %w", key, errUnknown)
	case floor:
		return nil, fmt.Errorf("the floor of %s: %w", key, errUnknown)
	case peers[i].missing != "":
		return nil, &cells.LeftOutError{Reason: peers[i].name + ": " + peers[i].missing}
	case key.PayloadBytes < headerSize:
		return nil, fmt.Errorf("%s: want a payload of at least %d bytes", key, headerSize)
	}
	h, err := peers[i].open(ctx, key.Pattern, key.PayloadBytes)
	if err != nil {
		return nil, fmt.Errorf("setting up %s: %w", peers[i].name, err)
	}
	name := fmt.Sprintf("%s, %s, %d B", peers[i].name, key.Pattern, key.PayloadBytes)
	s := &subject{host: h, name: name, pattern: key.Pattern}
	if s.known, err = h.counts(); err != nil {
		return nil, fmt.Errorf("setting up %s: %w", peers[i].name, errors.Join(err, h.close()))
	}
	return s, nil
}
