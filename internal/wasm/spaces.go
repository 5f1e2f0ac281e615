package wasm

// Space is a list of things that indices in code number.
type Space byte

// The spaces.
const (
	SpaceNone Space = iota
	SpaceFunc
	SpaceTable
	SpaceGlobal
	SpaceType
	SpaceElements // element segments
	SpaceData     // data segments
	SpaceTag
	SpaceLocal
)

// String returns what the space has, for errors.
func (s Space) String() string {
	return [...]string{"", "function", "table", "global", "type", "element segment", "data segment", "tag", "local"}[s]
}

// Spaces returns what Index and Second of an instruction number. Index numbers a type in
// a block only if IndexAt is not 0.
func (op Opcode) Spaces() (index, second Space) {
	switch op {
	case OpCall, OpReturnCall, OpRefFunc:
		return SpaceFunc, SpaceNone
	case OpCallIndirect, OpReturnCallIndirect:
		return SpaceType, SpaceTable
	case OpBlock, OpLoop, OpIf, OpTryTable, OpCallRef, OpReturnCallRef:
		return SpaceType, SpaceNone
	case OpLocalGet, OpLocalSet, OpLocalTee:
		return SpaceLocal, SpaceNone
	case OpGlobalGet, OpGlobalSet:
		return SpaceGlobal, SpaceNone
	case OpTableGet, OpTableSet, OpTableGrow, OpTableSize, OpTableFill:
		return SpaceTable, SpaceNone
	case OpTableInit:
		return SpaceElements, SpaceTable
	case OpTableCopy:
		return SpaceTable, SpaceTable
	case OpElemDrop:
		return SpaceElements, SpaceNone
	case OpMemoryInit, OpDataDrop:
		return SpaceData, SpaceNone
	case OpThrow:
		return SpaceTag, SpaceNone
	}
	return SpaceNone, SpaceNone
}

// UsesMemory reports whether an instruction reads, writes, grows or measures a memory.
func (op Opcode) UsesMemory() bool {
	switch op >> 8 {
	case 0:
		return op >= 0x28 && op <= OpMemoryGrow
	case prefixMisc:
		return op == OpMemoryInit || op == OpMemoryCopy || op == OpMemoryFill
	case prefixVector:
		imm := vectorImmediates[op&0xff]
		return imm == immMemory || imm == immMemoryLane
	}
	return op>>8 == prefixAtomic && op != opFence
}
