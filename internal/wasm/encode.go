package wasm

import (
	"encoding/binary"
	"slices"
)

// Encode returns the module as a binary. The result shares no memory with the module,
// and its numbers have their shortest form. If Parse returned the module and nobody
// changed it, Parse reads the result as the same module.
func (m *Module) Encode() []byte {
	out := make([]byte, 0, m.sizeHint())
	out = append(out, header...)
	out = m.appendCustoms(out, secCustom)
	for _, id := range sectionOrder {
		out = m.appendSection(out, id)
		out = m.appendCustoms(out, id)
	}
	return out
}

// sizeHint estimates the size of the encoding, in bytes. It counts large parts exactly.
func (m *Module) sizeHint() int {
	n := 1024 + len(m.Data.Raw) + len(m.Elements.Raw) + 8*len(m.Functions) + 16*len(m.Types)
	for i := range m.Code {
		n += bodySize(&m.Code[i]) + 5
	}
	for i := range m.Customs {
		n += len(m.Customs[i].Name) + len(m.Customs[i].Data) + 12
	}
	for i := range m.Imports {
		n += len(m.Imports[i].Module) + len(m.Imports[i].Name) + 8
	}
	for i := range m.Exports {
		n += len(m.Exports[i].Name) + 8
	}
	for i := range m.Globals {
		n += len(m.Globals[i].Init) + 8
	}
	return n
}

// framed appends an id, a size in bytes, and the content of that size.
func framed(out []byte, id byte, content func([]byte) []byte) []byte {
	out = append(out, id)
	start := len(out)
	out = content(out)
	var size [binary.MaxVarintLen32]byte
	n := binary.PutUvarint(size[:], uint64(len(out)-start))
	return slices.Insert(out, start, size[:n]...)
}

func (m *Module) appendCustoms(out []byte, after byte) []byte {
	for _, c := range m.Customs {
		if c.After == after {
			out = framed(out, secCustom, func(out []byte) []byte {
				return append(appendName(out, c.Name), c.Data...)
			})
		}
	}
	return out
}

// appendSection appends the section of the given id, or nothing if it would
// be empty.
func (m *Module) appendSection(out []byte, id byte) []byte {
	switch id {
	case secType:
		return appendTypes(out, m.Types)
	case secImport:
		return appendList(out, id, m.Imports, appendImport)
	case secFunction:
		return appendList(out, id, m.Functions, appendU32)
	case secTable:
		return appendList(out, id, m.Tables, appendTable)
	case secMemory:
		return appendList(out, id, m.Memories, appendLimits)
	case secTag:
		return appendList(out, id, m.Tags, appendTag)
	case secGlobal:
		return appendList(out, id, m.Globals, appendGlobal)
	case secExport:
		return appendList(out, id, m.Exports, appendExport)
	case secStart:
		return appendNumber(out, id, m.Start)
	case secElement:
		return appendSegments(out, id, m.Elements)
	case secDataCount:
		return appendNumber(out, id, m.DataCount)
	case secCode:
		return appendList(out, id, m.Code, appendCode)
	default:
		return appendSegments(out, secData, m.Data)
	}
}

func appendList[T any](out []byte, id byte, entries []T, one func([]byte, T) []byte) []byte {
	if len(entries) == 0 {
		return out
	}
	return framed(out, id, func(out []byte) []byte {
		out = appendU32(out, uint32(len(entries)))
		for _, e := range entries {
			out = one(out, e)
		}
		return out
	})
}

func appendNumber(out []byte, id byte, n *uint32) []byte {
	if n == nil {
		return out
	}
	return framed(out, id, func(out []byte) []byte { return appendU32(out, *n) })
}

func appendSegments(out []byte, id byte, s Segments) []byte {
	if s.Count == 0 {
		return out
	}
	return framed(out, id, func(out []byte) []byte {
		return append(appendU32(out, s.Count), s.Raw...)
	})
}

// appendTypes appends the type section, in which a recursive group is one entry.
func appendTypes(out []byte, types []FuncType) []byte {
	entries := len(types)
	for i := range types {
		entries -= max(int(types[i].Rec), 1) - 1
	}
	if entries == 0 {
		return out
	}
	return framed(out, secType, func(out []byte) []byte {
		out = appendU32(out, uint32(entries))
		for i := range types {
			if types[i].Rec > 0 {
				out = appendU32(append(out, 0x4e), types[i].Rec)
			}
			out = append(out, 0x60)
			out = appendValueTypes(out, types[i].Params)
			out = appendValueTypes(out, types[i].Results)
		}
		return out
	})
}

func appendU32(out []byte, v uint32) []byte { return binary.AppendUvarint(out, uint64(v)) }

func appendName(out []byte, s string) []byte {
	return append(appendU32(out, uint32(len(s))), s...)
}

func appendValueTypes(out []byte, types []ValueType) []byte {
	out = appendU32(out, uint32(len(types)))
	for _, t := range types {
		out = AppendValueType(out, t)
	}
	return out
}

// AppendValueType appends t in the encoding for locals and blocks.
func AppendValueType(out []byte, t ValueType) []byte {
	out = append(out, t.Code)
	if t.Code == RefNull || t.Code == Ref {
		out = AppendSigned(out, int64(t.Heap))
	}
	return out
}

// AppendIndex appends i as unsigned LEB128, the encoding of indices in code.
func AppendIndex(out []byte, i uint32) []byte { return appendU32(out, i) }

// AppendSigned appends v as signed LEB128, the encoding of constants in code.
func AppendSigned(out []byte, v int64) []byte {
	for v < -64 || v > 63 {
		out = append(out, byte(v)|0x80)
		v >>= 7
	}
	return append(out, byte(v)&0x7f)
}

func appendImport(out []byte, i Import) []byte {
	out = append(appendName(appendName(out, i.Module), i.Name), byte(i.Kind))
	switch i.Kind {
	case KindTable:
		return appendTable(out, i.Table)
	case KindMemory:
		return appendLimits(out, i.Memory)
	case KindGlobal:
		return appendGlobalType(out, i.Global)
	case KindTag:
		return appendTag(out, i.Type)
	default:
		return appendU32(out, i.Type)
	}
}

func appendTable(out []byte, t Table) []byte {
	if t.Init != nil {
		out = append(out, 0x40, 0)
	}
	return append(appendLimits(AppendValueType(out, t.Elem), t.Limits), t.Init...)
}

func appendLimits(out []byte, l Limits) []byte {
	var flags byte
	for bit, set := range []bool{l.HasMax, l.Shared, l.Is64} {
		if set {
			flags |= 1 << bit
		}
	}
	out = binary.AppendUvarint(append(out, flags), l.Min)
	if l.HasMax {
		out = binary.AppendUvarint(out, l.Max)
	}
	return out
}

func appendTag(out []byte, typ uint32) []byte { return appendU32(append(out, 0), typ) }

func appendGlobalType(out []byte, t GlobalType) []byte {
	out = AppendValueType(out, t.Value)
	if t.Mutable {
		return append(out, 1)
	}
	return append(out, 0)
}

func appendGlobal(out []byte, g Global) []byte {
	return append(appendGlobalType(out, g.Type), g.Init...)
}

func appendExport(out []byte, e Export) []byte {
	return appendU32(append(appendName(out, e.Name), byte(e.Kind)), e.Index)
}

func appendCode(out []byte, c Code) []byte {
	out = appendU32(out, uint32(bodySize(&c)))
	out = append(appendU32(out, c.Groups), c.Decls...)
	return append(out, c.Expr...)
}

// bodySize is the size of an encoded body, in bytes, without its size field.
func bodySize(c *Code) int {
	var groups [binary.MaxVarintLen32]byte
	return binary.PutUvarint(groups[:], uint64(c.Groups)) + len(c.Decls) + len(c.Expr)
}
