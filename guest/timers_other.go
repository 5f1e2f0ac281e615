//go:build !wasip1

package guest

// timersOf returns the timers of a host, if it has any.
func timersOf(host Host) (TimerHost, bool) {
	timers, ok := host.(TimerHost)
	return timers, ok
}
