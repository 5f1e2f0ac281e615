package host

// Raced says that this is a build with -race, which is slow.
const Raced = raced

func init() { checked = true }
