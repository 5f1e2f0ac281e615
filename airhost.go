// Package airhost runs untrusted plug-ins in a Go program. It has a host with the
// default parts, which runs WebAssembly modules on wazero.
//
// A plug-in is called a component. It has an id and handles messages. [Host.DeployFile]
// compiles and starts it, [Host.Request] sends a message to it and waits for the
// response, and [Host.Send] sends a message that has no response. A component can also
// send messages to others, and use functions, key-value, directories and the web, if its
// [host.Deployment] grants that and [Config] has it. It can do nothing else, and its memory,
// time and rate are bounded ([core.Limits], [host.Quota]).
//
// The packages that a program needs next:
//
//   - core/host deploys components with capabilities, limits and configuration, and
//     reports events and counters. [Host.Host] returns its host. A program can also make
//     a host itself, with an engine, a broker and a tracker of its choice.
//   - core has the ids, the errors, and the interfaces of engines, brokers and trackers.
//   - guest is the SDK for components in Go.
//   - backends has the engines, brokers the brokers, and trackers the trackers.
//   - reach has the parts for key-value, directories, secrets and requests to the web.
package airhost

import (
	"context"
	"errors"
	"log/slog"

	"github.com/airhost/airhost/backends/wazero"
	"github.com/airhost/airhost/brokers/inproc"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/trackers/slab"
)

// Config configures a host. The zero value is ready to use.
type Config struct {
	// Logger gets the log of the host and of the components; slog.Default() if nil.
	Logger *slog.Logger

	// CacheDir is the directory in which compiled code is kept between runs of the
	// program, which makes deploying faster. It is created if it does not exist.
	// Nobody but the user may be able to write to it ([wazero.Config] says more).
	// "" keeps compiled code in memory only.
	CacheDir string

	// Engines are further engines for [host.Deployment], beside wazero. Package
	// backends/native, for example, has the one for components in Go. The caller
	// must close them after [Host.Close].
	Engines []core.Engine

	// Functions are functions in Go that components may call within a call, by their
	// names, such as "price/lookup". [host.Capabilities] grant them.
	Functions map[string]host.Function

	// FunctionOptions are the settings of functions, and name the components that
	// provide some.
	FunctionOptions map[string]host.FunctionOptions

	// KeyValue, if not nil, keeps the buckets of components, and Buckets are those that components
	// share, by name. Package reach/keyvalue has stores. The caller closes the store after
	// [Host.Close].
	KeyValue host.KeyValueStore
	Buckets  map[string]host.BucketQuota

	// HTTP, if not nil, sends the requests of components to the web. Package reach/httpout has a
	// client. The caller closes it after [Host.Close].
	HTTP host.HTTPClient

	// Files, if not nil, opens the directories that components are granted. Package reach/files
	// has one.
	Files host.FileSystem
}

// Host runs components. Its methods may be called from any goroutine.
type Host struct {
	host   *host.Host
	engine *wazero.Engine
}

// New starts a host with the wazero engine, the inproc broker and the slab tracker.
// The caller must close it. If New fails, nothing is left to close.
func New(config Config) (*Host, error) {
	engine, err := wazero.New(wazero.Config{CacheDir: config.CacheDir, Logger: config.Logger})
	if err != nil {
		return nil, err
	}
	h, err := start(config, engine)
	if err != nil {
		return nil, errors.Join(err, engine.Close(context.Background()))
	}
	return &Host{h, engine}, nil
}

func start(config Config, engine core.Engine) (*host.Host, error) {
	broker, err := inproc.New(inproc.Config{})
	if err != nil {
		return nil, err
	}
	tracker, err := slab.New(slab.Config{})
	if err != nil {
		return nil, err
	}
	engines := append([]core.Engine{engine}, config.Engines...)
	h, err := host.New(host.Config{
		Functions: config.Functions, FunctionOptions: config.FunctionOptions,
		KeyValue: config.KeyValue, Buckets: config.Buckets, HTTP: config.HTTP, Files: config.Files,
		Logger: config.Logger,
	}, broker, tracker, engines...)
	if err != nil {
		return nil, err
	}
	return h, h.Start(context.Background())
}

// Must returns value, or panics if err is not nil. It is for the start of a program that
// cannot go on without the value:
//
//	host := airhost.Must(airhost.New(airhost.Config{}))
func Must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// DeployFile starts the WebAssembly module at path as the component id, such as
// "demo/hello", and returns its id for [Host.Request] and [Host.Send]. The component
// has the default limits, no configuration and no capabilities: it can answer, and
// cannot message others. Deploy of [Host.Host] grants more.
//
// DeployFile blocks until the module is compiled, which can take seconds, and the
// component is initialized, or ctx ends. If it fails, nothing is left of the
// component. Its errors are those of [host.Host.Deploy], and [core.ErrInvalidID].
func (h *Host) DeployFile(ctx context.Context, id, path string) (core.ComponentID, error) {
	parsed, err := core.ParseComponentID(id)
	if err != nil {
		return parsed, err
	}
	err = h.host.Deploy(ctx, host.Deployment{ID: parsed, Engine: wazero.Name, Source: core.Source{Path: path}})
	if err != nil {
		return core.ComponentID{}, err
	}
	return parsed, nil
}

// Request sends a request to target and waits for its response, which the caller
// owns. payload is neither kept nor changed. A ctx without a deadline has one of 5 s.
// The errors are those of [host.Host.Request].
func (h *Host) Request(ctx context.Context, target core.ComponentID, payload []byte) ([]byte, error) {
	return h.host.Request(ctx, target, payload)
}

// RequestMany sends requests to target, which handles them in order, and waits for all
// their responses. It sets Response and Err of each, and returns the first Err. Together
// they cost much less than one after the other. See [host.Host.RequestMany].
func (h *Host) RequestMany(ctx context.Context, target core.ComponentID, requests []host.Request) error {
	return h.host.RequestMany(ctx, target, requests)
}

// Send sends a fire-and-forget message to target. It does not block; the component
// handles the message later. payload is neither kept nor changed. An error is a
// [core.MessagingError], and the message was not sent then.
func (h *Host) Send(target core.ComponentID, payload []byte) error {
	return h.host.Send(target, payload)
}

// Host returns the host of package core/host, which has more methods. Close stops it.
func (h *Host) Host() *host.Host { return h.host }

// Close stops the host ([host.Host.Stop]) and then closes the wazero engine. It blocks
// until the components have handled their messages, for 5 s at most, and are shut down,
// or until ctx ends. Its error joins those of the host and the engine. Another Close
// waits for the first, and returns the host's error again.
func (h *Host) Close(ctx context.Context) error {
	return errors.Join(h.host.Stop(ctx), h.engine.Close(ctx))
}
