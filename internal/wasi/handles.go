package wasi

// MaxHandles is the most resources that a guest has at a time.
const MaxHandles = 4096

// handle is a resource that a guest owns. A guest knows it by its index, from 1 on. A child
// must be dropped before its parent.
type handle struct {
	of       string // the resource's name: "pollable"
	value    any
	parent   *handle
	children int
}

// handles are the resources of a guest.
type handles struct {
	slots []*handle // the resource of the index one higher, or nil
	free  []uint32  // indices
}

// child is a value of a new resource that has a parent.
type child struct {
	value  any
	parent *handle
}

// dropper is a value that holds bytes, and gives them back.
type dropper interface{ dropped(in *Instance) }

// add returns the index of a new resource.
func (h *handles) add(of string, value any) uint32 {
	made := &handle{of: of, value: value}
	if c, ok := value.(child); ok {
		made.value, made.parent = c.value, c.parent
		made.parent.children++
	}
	if n := len(h.free); n > 0 {
		index := h.free[n-1]
		h.free = h.free[:n-1]
		h.slots[index-1] = made
		return index
	}
	if len(h.slots) == MaxHandles {
		tooMuch("it holds 4,096 resources of WASI, and no more are allowed")
	}
	h.slots = append(h.slots, made)
	return uint32(len(h.slots))
}

// find returns the resource with this index.
func (h *handles) find(of string, index uint32, by string) *handle {
	if index == 0 || uint64(index) > uint64(len(h.slots)) || h.slots[index-1] == nil {
		violated("it passed the handle %d to %s, which does not exist: want one of a %s", index, by, of)
	}
	found := h.slots[index-1]
	if found.of != of {
		violated("it passed the handle %d to %s, which is one of a %s: want one of a %s", index, by, found.of, of)
	}
	return found
}

// take removes the resource with this index, and returns its value.
func (h *handles) take(of string, index uint32, by string) any {
	found := h.find(of, index, by)
	if found.children > 0 {
		violated("it passed the handle %d to %s, a %s whose children it has not dropped: %d", index, by, of, found.children)
	}
	if found.parent != nil {
		found.parent.children--
	}
	h.slots[index-1] = nil
	h.free = append(h.free, index)
	return found.value
}

// drop ends a value that the guest has given away.
func (in *Instance) drop(value any) {
	if d, ok := value.(dropper); ok {
		d.dropped(in)
	}
}
