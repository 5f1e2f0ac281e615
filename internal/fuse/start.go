package fuse

import "github.com/airhost/airhost/internal/wasm"

// countStarts notes for each instance how many earlier ones have a start function.
func (f *fuser) countStarts() {
	n := 0
	f.starts = make([]int, len(f.instances))
	for i, in := range f.instances {
		f.starts[i] = n
		if in.live && in.module.Start != nil {
			n++
		}
	}
}

// atOnce reports whether a segment of an instance may be written before all start
// functions. The component model writes it when it makes the instance, after the start
// functions of earlier ones. Nobody can tell the difference if none of these could reach
// the table or memory, which begins to exist with its owner. A segment that does not fit
// fails, and must do so at its time.
func (f *fuser) atOnce(in *instance, w segment) bool {
	if f.starts[in.index] == 0 {
		return true
	}
	return w.fits && f.starts[in.index] == f.starts[w.target.owner.index]
}

// emitSegments appends an instance's segments. It turns those that must wait for start
// functions into passive ones, which the result's start function writes.
func (f *fuser) emitSegments(in *instance, to *translation) error {
	m := in.module
	for i := range m.elements {
		e, w := m.elements[i], in.written[0][i]
		if err := f.translateElements(in, to, &e); err != nil {
			return err
		}
		e.Offset = nil
		switch {
		case e.Mode != wasm.SegmentActive:
		case f.withoutTable[alias{w.target.owner, w.target.index}]:
			e = wasm.ElementSegment{Mode: wasm.SegmentPassive, Type: wasm.FuncRef} // it is empty once it is written
		case f.atOnce(in, w):
			e.Table, e.Offset = f.index(w.target), f.expression(value{typ: wasm.I32, bits: w.at})
		default:
			e.Mode = wasm.SegmentPassive
			f.init(wasm.OpTableInit, wasm.OpElemDrop, w, e.Len(), f.out.Elements.Count, f.index(w.target))
		}
		f.out.AddElements(e)
	}
	for i := range m.data {
		d, w := m.data[i], in.written[1][i]
		d.Offset = nil
		switch {
		case d.Mode != wasm.SegmentActive:
		case f.atOnce(in, w):
			d.Offset = f.expression(value{typ: wasm.I32, bits: w.at})
		default:
			d.Mode, f.countData = wasm.SegmentPassive, true
			f.init(wasm.OpMemoryInit, wasm.OpDataDrop, w, len(d.Content), f.out.Data.Count, 0)
		}
		f.out.AddData(d)
	}
	if m.Start != nil {
		f.lastStart = f.index(in.at(wasm.KindFunc, *m.Start))
		f.startCalls++
		f.startCode = wasm.AppendIndex(append(f.startCode, byte(wasm.OpCall)), f.lastStart)
	}
	return nil
}

// translateElements gives a segment the indices of the result.
func (f *fuser) translateElements(in *instance, to *translation, e *wasm.ElementSegment) error {
	functions := make([]uint32, len(e.Functions))
	for i, function := range e.Functions {
		functions[i] = to[wasm.SpaceFunc][function]
	}
	e.Functions = functions
	if e.Exprs == nil {
		return nil
	}
	exprs := make([][]byte, len(e.Exprs))
	for i, expr := range e.Exprs {
		v, err := in.constant(expr, e.Type)
		if err != nil {
			return err
		}
		exprs[i] = f.expression(v)
	}
	e.Exprs = exprs
	return nil
}

// init makes the start function write a segment, and drop it.
func (f *fuser) init(write, drop wasm.Opcode, w segment, length int, segment, target uint32) {
	f.startInits++
	code := f.push(f.startCode, value{typ: wasm.I32, bits: w.at})
	code = f.push(code, value{typ: wasm.I32})
	code = f.push(code, value{typ: wasm.I32, bits: uint64(length)})
	code = wasm.AppendIndex(append(code, byte(write>>8), byte(write)), segment)
	code = wasm.AppendIndex(code, target)
	f.startCode = wasm.AppendIndex(append(code, byte(drop>>8), byte(drop)), segment)
}

// addStart gives the result its start function, if an instance has one.
func (f *fuser) addStart() {
	switch {
	case f.startCalls == 0:
	case f.startCalls == 1 && f.startInits == 0:
		f.out.Start = &f.lastStart
	default:
		start := uint32(f.out.Len(wasm.KindFunc))
		f.addFunc(wasm.FuncType{}, wasm.Code{Expr: append(f.startCode, byte(wasm.OpEnd))})
		f.out.Start = &start
		f.name(start, "", "start")
	}
	if f.countData {
		n := f.out.Data.Count
		f.out.DataCount = &n
	}
}
