package cells

// LeftOutError says that a cell exists but cannot be measured by this build, or
// on this machine. It leaves the run's other cells alone.
type LeftOutError struct{ Reason string }

func (e *LeftOutError) Error() string { return "left out: " + e.Reason }
