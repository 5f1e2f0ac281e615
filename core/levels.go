package core

// HealthStatus is the contract's health-status, with the same numbers.
type HealthStatus uint8

// The statuses.
const (
	HealthHealthy HealthStatus = iota
	HealthDegraded
	HealthUnhealthy
)

// Valid reports whether s is a status of the contract.
func (s HealthStatus) Valid() bool { return s <= HealthUnhealthy }

// String returns the status's name in the contract.
func (s HealthStatus) String() string {
	return nameOf(s, "healthy", "degraded", "unhealthy")
}

// LogLevel is the contract's log-level, with the same numbers.
type LogLevel uint8

// The levels.
const (
	LogTrace LogLevel = iota
	LogDebug
	LogInfo
	LogWarn
	LogError
)

// Valid reports whether l is a level of the contract.
func (l LogLevel) Valid() bool { return l <= LogError }

// String returns the level's name in the contract.
func (l LogLevel) String() string {
	return nameOf(l, "trace", "debug", "info", "warn", "error")
}

func nameOf[T ~uint8](value T, names ...string) string {
	if int(value) < len(names) {
		return names[value]
	}
	return "invalid"
}
