package measure

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/airhost/airhost/internal/bench/data/cells"
	"github.com/airhost/airhost/internal/bench/measure/sampling"
)

// bench is a run that is set up.
type bench struct {
	spec     Spec
	subjects []sampling.Sized
	units    []string // of each subject's samples
	closers  []io.Closer
	places   [][]place // of each side, one for each of its keys
	opened   map[opening]int
}

// place says where a cell's series are, as indices of subjects.
type place struct {
	terms  []term
	floor  int
	reason string // the reason why the cell has no series, or ""
}

// term is a share of a cell's samples.
type term struct {
	subject int
	factor  float64
}

// noFloor is the floor of cells that have none.
const noFloor = -1

// opening names a subject that has been opened; cells share it.
type opening struct {
	side  int
	key   cells.Key
	floor bool
}

// assemble sets up all cells of spec that can be measured, and their floors.
func assemble(ctx context.Context, spec Spec) (*bench, error) {
	b := &bench{spec: spec, opened: make(map[opening]int)}
	for side, s := range spec.Sides {
		places := make([]place, len(s.Keys))
		for i, key := range s.Keys {
			err := key.Check()
			if err == nil {
				places[i], err = b.add(ctx, side, key)
			}
			if err != nil {
				return nil, errors.Join(err, b.close())
			}
		}
		b.places = append(b.places, places)
	}
	return b, nil
}

func (b *bench) add(ctx context.Context, side int, key cells.Key) (place, error) {
	if reason := b.spec.Sides[side].Source.Reason(key); reason != "" {
		return place{reason: reason}, nil
	}
	p, err := b.openAll(ctx, side, key)
	var leftOut *cells.LeftOutError
	if errors.As(err, &leftOut) {
		return place{reason: leftOut.Reason}, nil
	}
	return p, err
}

func (b *bench) openAll(ctx context.Context, side int, key cells.Key) (place, error) {
	p := place{floor: noFloor}
	for _, t := range cells.Terms(key) {
		i, err := b.open(ctx, opening{side, t.Key, false})
		if err != nil {
			return place{}, err
		}
		p.terms = append(p.terms, term{i, t.Factor})
	}
	if !cells.HasFloor(key) {
		return p, nil
	}
	// The fields in which floors differ.
	of := cells.Key{Engine: key.Engine, Pattern: key.Pattern, PayloadBytes: key.PayloadBytes, Mode: key.Mode}
	floor, err := b.open(ctx, opening{side, of, true})
	if errors.As(err, new(*cells.LeftOutError)) {
		return p, nil
	}
	p.floor = floor
	return p, err
}

// open returns the index of a subject. Cells may share it.
func (b *bench) open(ctx context.Context, o opening) (int, error) {
	if i, ok := b.opened[o]; ok {
		return i, nil
	}
	subject, err := b.spec.Sides[o.side].Source.Open(ctx, o.key, o.floor)
	if err != nil {
		return 0, err
	}
	i := len(b.subjects)
	b.opened[o] = i
	b.subjects = append(b.subjects, sampling.Sized{Subject: subject, Size: b.size(o)})
	b.units = append(b.units, cells.Unit(o.key))
	b.closers = append(b.closers, subject)
	return i, nil
}

// size is the size of a subject's samples.
func (b *bench) size(o opening) sampling.Size {
	size, mode := b.spec.Size, cells.MustFind(o.key.Mode)
	size.Time *= time.Duration(mode.Sample.Times)
	if most := cmp.Or(mode.PartOf(o.key).Ops, mode.Sample.Ops); most > 0 {
		size.Ops = min(size.Ops, most)
	}
	outOfProcess := !o.floor && b.spec.Sides[o.side].Source.OutOfProcess(o.key)
	if mode.Sample.AnyTotal || outOfProcess {
		size.TotalOps = 0
	}
	return size
}

func (b *bench) close() error {
	var errs []error
	for _, closer := range slices.Backward(b.closers) {
		errs = append(errs, closer.Close())
	}
	b.closers = nil
	return errors.Join(errs...)
}
