package harness

// SetRate fixes the rate at which messages are sent, which no Run then looks for.
func (l *Load) SetRate(perSecond float64) { l.perSecond = perSecond }
