package cells

// targetPayload is the payload in bytes for which there are targets.
const targetPayload = 64

// Target returns the most nanoseconds that one operation of the cell should take,
// or false where there is no target: other payloads, rings of other than two
// components, more than one pair, and components that are neither WebAssembly
// nor Go in the host's process. Native components have half the time.
func Target(key Key, native bool) (float64, bool) {
	target, ok := MustFind(key.Mode).Targets[key.Pattern]
	if !ok || key.PayloadBytes != targetPayload || !isPair(key) {
		return 0, false
	}
	if native {
		target /= 2
	}
	return target, true
}

// TargetMultiple returns the most that the median of the cell should be as a multiple
// of its floor, or false where there is no such target. Cells without a [Target] have
// none.
func TargetMultiple(key Key) (float64, bool) {
	multiple, ok := MustFind(key.Mode).Multiples[key.Engine][key.Pattern]
	return multiple, ok && key.PayloadBytes == targetPayload && isPair(key)
}

// isPair reports whether the cell is a single pair, or a single component that a
// program calls.
func isPair(key Key) bool {
	return (key.Components == 0 || key.Components == 2) && key.Pairs <= 1
}

// HasFloor reports whether there is a floor to compare the cell with. Rings that
// run at the same time share processors, of which a floor uses one.
func HasFloor(key Key) bool {
	return MustFind(key.Mode).Floor && key.Pairs <= 1 && !key.Peer
}

// Unit returns the unit of a cell's figures.
func Unit(key Key) string {
	mode := MustFind(key.Mode)
	if unit := mode.PartOf(key).Unit; unit != "" {
		return unit
	}
	return mode.Unit
}
