package wasm

// immediate is the form of the bytes that follow an opcode.
type immediate byte

const (
	immUnknown immediate = iota // no such opcode
	immNone
	immIndex
	immTwoIndices
	immMemory     // alignment and offset
	immMemoryLane // alignment, offset and a lane
	immZero       // one byte that must be zero: a memory index, or reserved
	immTwoZeros
	immIndexZero
	immS32
	immS64
	immByte
	immBytes4
	immBytes8
	immBytes16
	immHeapType
	immSelect

	// The rest belong to instructions of control flow.
	immBlock
	immEnd
	immLabel
	immLabels
	immTryTable
)

var immWidth = [...]uint64{immByte: 1, immBytes4: 4, immBytes8: 8, immBytes16: 16}

// span gives the opcodes from first to last the same immediate.
type span struct {
	first, last byte
	imm         immediate
}

func spread(table []immediate, spans []span) {
	for _, s := range spans {
		for op := int(s.first); op <= int(s.last); op++ {
			table[op] = s.imm
		}
	}
}

var immediates = func() (t [256]immediate) {
	spread(t[:], []span{
		{0x00, 0x01, immNone}, // unreachable, nop
		{0x02, 0x04, immBlock},
		{0x05, 0x05, immNone},       // else
		{0x08, 0x08, immIndex},      // throw
		{0x0a, 0x0a, immNone},       // throw_ref
		{0x0b, 0x0b, immEnd},        // end
		{0x0c, 0x0d, immLabel},      // br, br_if
		{0x0e, 0x0e, immLabels},     // br_table
		{0x0f, 0x0f, immNone},       // return
		{0x10, 0x10, immIndex},      // call
		{0x11, 0x11, immTwoIndices}, // call_indirect
		{0x12, 0x12, immIndex},      // return_call
		{0x13, 0x13, immTwoIndices}, // return_call_indirect
		{0x14, 0x15, immIndex},      // call_ref, return_call_ref
		{0x1a, 0x1b, immNone},       // drop, select
		{0x1c, 0x1c, immSelect},
		{0x1f, 0x1f, immTryTable},
		{0x20, 0x26, immIndex},  // locals, globals, table.get, table.set
		{0x28, 0x3e, immMemory}, // loads and stores
		{0x3f, 0x40, immZero},   // memory.size, memory.grow
		{0x41, 0x41, immS32},
		{0x42, 0x42, immS64},
		{0x43, 0x43, immBytes4},
		{0x44, 0x44, immBytes8},
		{0x45, 0xc4, immNone}, // arithmetic
		{0xd0, 0xd0, immHeapType},
		{0xd1, 0xd1, immNone},  // ref.is_null
		{0xd2, 0xd2, immIndex}, // ref.func
		{0xd4, 0xd4, immNone},  // ref.as_non_null
		{0xd5, 0xd6, immLabel}, // br_on_null, br_on_non_null
	})
	return t
}()

var miscImmediates = [0x12]immediate{
	immNone, immNone, immNone, immNone, immNone, immNone, immNone, immNone, // saturating truncations
	0x08: immIndexZero,  // memory.init
	0x09: immIndex,      // data.drop
	0x0a: immTwoZeros,   // memory.copy
	0x0b: immZero,       // memory.fill
	0x0c: immTwoIndices, // table.init
	0x0d: immIndex,      // elem.drop
	0x0e: immTwoIndices, // table.copy
	0x0f: immIndex,      // table.grow
	0x10: immIndex,      // table.size
	0x11: immIndex,      // table.fill
}

var vectorImmediates = func() (t [256]immediate) {
	spread(t[:], []span{
		{0x00, 0x0b, immMemory}, // loads and store
		{0x0c, 0x0d, immBytes16},
		{0x0e, 0x14, immNone},
		{0x15, 0x22, immByte}, // lanes
		{0x23, 0x53, immNone},
		{0x54, 0x5b, immMemoryLane},
		{0x5c, 0x5d, immMemory}, // v128.load32_zero, v128.load64_zero
		{0x5e, 0xff, immNone},
	})
	for _, op := range []byte{
		0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb,
		0xc2, 0xc5, 0xc6, 0xcf, 0xd0, 0xd2, 0xd3, 0xd4, 0xe2, 0xee,
	} {
		t[op] = immUnknown
	}
	return t
}()

var atomicImmediates = func() (t [0x4f]immediate) {
	spread(t[:], []span{
		{0x00, 0x02, immMemory}, // notify, wait
		{0x03, 0x03, immZero},   // fence
		{0x10, 0x4e, immMemory},
	})
	return t
}()

// Opcodes returns all opcodes that [Instructions] knows.
func Opcodes() []Opcode {
	var all []Opcode
	for _, page := range []struct {
		prefix Opcode
		table  []immediate
	}{{0, immediates[:]}, {prefixMisc, miscImmediates[:]}, {prefixVector, vectorImmediates[:]}, {prefixAtomic, atomicImmediates[:]}} {
		for op, imm := range page.table {
			if imm != immUnknown {
				all = append(all, page.prefix<<8|Opcode(op))
			}
		}
	}
	return all
}
