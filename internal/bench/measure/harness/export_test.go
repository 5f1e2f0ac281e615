package harness

// SetRate sets the rate of messages, so that no Run looks for the highest.
func (l *Load) SetRate(perSecond float64) { l.perSecond = perSecond }
