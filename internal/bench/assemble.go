package bench

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/fx"

	"github.com/airhost/airhost/internal/bench/result"
	"github.com/airhost/airhost/internal/bench/rig"
	"github.com/airhost/airhost/internal/bench/sampling"
)

// bench is a run that is set up: what is sampled, and which cell it belongs to.
type bench struct {
	spec     Spec
	subjects []sampling.Subject
	closers  []func() error
	places   []place // one for each of spec.Keys
	floors   map[floorKey]int
}

// place is where a cell's series are, as indices of subjects.
type place struct {
	cell, floor int
	reason      string // why there are none, or ""
}

// noFloor is the floor of cells that have none.
const noFloor = -1

// floorKey is what floors differ by. Cells with the same share one.
type floorKey struct {
	engine  string
	pattern result.Pattern
	payload int
}

// assemble sets up all cells of spec that can be measured, and their floors.
func assemble(ctx context.Context, spec Spec) (*bench, error) {
	b := &bench{spec: spec, floors: make(map[floorKey]int)}
	for _, key := range spec.Keys {
		place, err := b.add(ctx, key)
		if err != nil {
			return nil, errors.Join(err, b.close())
		}
		b.places = append(b.places, place)
	}
	return b, nil
}

func (b *bench) add(ctx context.Context, key result.Key) (place, error) {
	if reason := b.spec.Catalog.Reason(key); reason != "" {
		return place{reason: reason}, nil
	}
	parts, err := b.spec.Catalog.parts(key)
	if err != nil {
		return place{}, err
	}
	parts.Logger = b.spec.Logger
	floor, err := b.addFloor(ctx, key)
	if err != nil {
		return place{}, err
	}
	r, err := rig.New(ctx, key, parts)
	if err != nil {
		return place{}, err
	}
	return place{cell: b.addSubject(r, r.Close), floor: floor}, nil
}

// addFloor returns the index of the cell's floor. Rings that run at the same
// time share processors, of which a floor uses one: they have none.
func (b *bench) addFloor(ctx context.Context, key result.Key) (int, error) {
	if key.Pairs > 1 {
		return noFloor, nil
	}
	of := floorKey{key.Engine, key.Pattern, key.PayloadBytes}
	if i, ok := b.floors[of]; ok {
		return i, nil
	}
	f, err := b.spec.Catalog.Engines[key.Engine].Floor(ctx, key.Pattern, key.PayloadBytes)
	if err != nil {
		return noFloor, err
	}
	i := b.addSubject(f, f.Close)
	b.floors[of] = i
	return i, nil
}

func (b *bench) addSubject(subject sampling.Subject, closer func() error) int {
	b.subjects = append(b.subjects, subject)
	b.closers = append(b.closers, closer)
	return len(b.subjects) - 1
}

func (b *bench) close() error {
	var errs []error
	for _, closer := range b.closers {
		errs = append(errs, closer())
	}
	b.closers = nil
	return errors.Join(errs...)
}

// UnknownError says that a cell has a part that no build has.
type UnknownError struct{ Part, Name string }

func (e *UnknownError) Error() string { return fmt.Sprintf("there is no %s %q", e.Part, e.Name) }

// parts returns what the cell's host is made of.
func (c Catalog) parts(key result.Key) (rig.Parts, error) {
	engine, ok := c.Engines[key.Engine]
	if !ok {
		return rig.Parts{}, &UnknownError{"engine", key.Engine}
	}
	broker, ok := c.Brokers[key.Broker]
	if !ok {
		return rig.Parts{}, &UnknownError{"broker", key.Broker}
	}
	tracker, ok := c.Trackers[key.Tracker]
	if !ok {
		return rig.Parts{}, &UnknownError{"tracker", key.Tracker}
	}
	parts := rig.Parts{
		Modules:    fx.Options(broker, tracker, engine.Module),
		EngineName: engine.Deploy,
		Guest:      engine.Guest(key.Pattern),
	}
	if !engine.Native {
		parts.Modules = fx.Options(parts.Modules, c.Native)
	}
	return parts, nil
}
