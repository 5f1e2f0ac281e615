package host

// Raced says that this is a build with -race, which is slow.
const Raced = raced

func init() { checked = true }

// ChainCalls returns how many calls the host's workers have made in chains.
func (h *Host) ChainCalls() (calls int64) {
	for block := &h.watch.first; block != nil; block = block.more.Load() {
		for i := range block.slots {
			if x := block.slots[i].chain.Load(); x != nil {
				calls += int64(x.turn.Load() >> 1)
			}
		}
	}
	return calls
}
