package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/internal/nearest"
)

// KeyValue is the store in which components keep keys with their values.
type KeyValue struct {
	Store   string            `yaml:"store,omitempty" jsonschema:"enum=memory,enum=bbolt,enum=nats,default=bbolt" jsonschema_description:"Where the values are kept. memory: in the host's memory, until it ends; bbolt: in one file; nats: in JetStream, with all hosts of host.nats.cluster."`
	Path    string            `yaml:"path,omitempty" jsonschema:"minLength=1" jsonschema_description:"The file of bbolt, relative to this file. It is made if there is none. One host at a time has it open."`
	Sync    bool              `yaml:"sync,omitempty" jsonschema:"default=false" jsonschema_description:"Whether a change is on the disk before the guest goes on. Without it, changes are written within a tenth of a second, and a host that is killed loses the last ones."`
	Buckets map[string]Bucket `yaml:"buckets,omitempty" jsonschema_description:"The buckets that components share, by their names, which capabilities.keyvalue grants. Each component has one of its own besides, by the name default."`
}

// Bucket bounds a bucket that components share.
type Bucket struct {
	Bytes Size `yaml:"bytes,omitempty" jsonschema:"minimum=1B,maximum=1TiB,default=16MiB" jsonschema_description:"How many bytes all keys and values may have."`
	Keys  int  `yaml:"keys,omitempty" jsonschema:"minimum=1,maximum=1000000000,default=10000" jsonschema_description:"How many keys there may be."`
}

// The stores, and the name of a component's own bucket.
const (
	StoreMemory   = "memory"
	StoreBBolt    = "bbolt"
	StoreNATS     = "nats"
	defaultBucket = "default"
)

// HasKeyValue reports whether the file has a store.
func (f *File) HasKeyValue() bool { return f.given("keyvalue") }

// keyValue notes contradictions in the store, and wrong names of buckets.
func (d *decoder) keyValue() {
	s := &d.file.KeyValue
	switch {
	case !d.file.HasKeyValue() || d.wrong("keyvalue") || d.wrong("keyvalue.store"):
	case s.Store == StoreMemory, s.Store == StoreNATS:
		if s.Store == StoreNATS && !d.file.Host.UsesNATS() && !d.wrong("host.broker") {
			d.at("keyvalue.store", "is nats, and the host has another broker: set host.broker to nats, or store to bbolt or memory")
		}
		for _, key := range []string{"path", "sync"} {
			if d.file.given("keyvalue." + key) {
				d.at("keyvalue."+key, "is for store: bbolt alone: leave it out")
			}
		}
	case s.Path == "" && !d.wrong("keyvalue.path"):
		d.at("keyvalue", `the key "path" is missing: the file of bbolt, such as ./state.db (or set store: memory)`)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Buckets)) {
		if name == defaultBucket {
			d.at("keyvalue.buckets."+name, "is the name of each component's own bucket: choose another")
		} else if err := core.CheckBucket(name); err != nil {
			d.at("keyvalue.buckets."+name, "%s", err)
		}
	}
}

// buckets notes wrong names of buckets that a component may use.
func (d *decoder) buckets(granted []string, path string) {
	for i, name := range granted {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch err := core.CheckBucket(name); {
		case d.wrong(at):
		case err != nil:
			d.at(at, "%s (a name of keyvalue.buckets, or default)", err)
		case slices.Contains(granted[:i], name):
			d.at(at, "%s is there twice: leave one out", name)
		}
	}
}

// stays returns warnings for components that may move to another host, and whose own bucket stays.
func (f *File) stays() (warnings Mistakes) {
	if !f.HasKeyValue() || f.KeyValue.Store == StoreNATS {
		return nil
	}
	for i := range f.Components {
		c := &f.Components[i]
		if n := slices.Index(c.Capabilities.KeyValue, defaultBucket); c.Place == placeAny && n >= 0 {
			warnings = append(warnings, f.Mistake(fmt.Sprintf("components[%d].capabilities.keyvalue[%d]", i, n),
				"is in the store of one host, and with place: any the component runs on another one later: set keyvalue.store to nats"))
		}
	}
	return warnings
}

// unstored returns warnings for capabilities for buckets that the file does not have.
func (f *File) unstored(path string, granted []string) (warnings Mistakes) {
	for i, name := range granted {
		_, shared := f.KeyValue.Buckets[name]
		text := ""
		switch {
		case !f.HasKeyValue():
			text = "this file has no keyvalue, so that there is no store: add keyvalue: {path: ./state.db}"
		case shared || name == defaultBucket:
			continue
		default:
			text = fmt.Sprintf("keyvalue.buckets has no %s", name)
			known := append(slices.Sorted(maps.Keys(f.KeyValue.Buckets)), defaultBucket)
			if near := nearest.Of(name, known); near != "" {
				text += fmt.Sprintf(", did you mean %q?", near)
			}
		}
		warnings = append(warnings, f.Mistake(fmt.Sprintf("%s[%d]", path, i), text))
	}
	return warnings
}
