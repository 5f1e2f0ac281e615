package guest

import (
	"math"
	"time"
)

// RequestID names one pending request of the component that sent it. It is
// opaque, never zero, and never reused while the request is pending.
type RequestID uint64

// ConfigPair is one entry of a component's configuration.
type ConfigPair struct{ Key, Value string }

// Config is a component's configuration, in the order of the host's.
type Config []ConfigPair

// Get returns the value of the last entry with the key. The bool is false if no entry
// has the key.
func (c Config) Get(key string) (string, bool) {
	for i := len(c) - 1; i >= 0; i-- {
		if c[i].Key == key {
			return c[i].Value, true
		}
	}
	return "", false
}

// HealthStatus is the health of a component, with the numbers of the contract.
type HealthStatus uint8

// The statuses.
const (
	Healthy HealthStatus = iota
	Degraded
	Unhealthy
)

// String returns the status's name in the contract.
func (s HealthStatus) String() string {
	return nameOf(s, "healthy", "degraded", "unhealthy")
}

// LogLevel is the level of a log entry, with the numbers of the contract.
type LogLevel uint8

// The levels.
const (
	LogTrace LogLevel = iota
	LogDebug
	LogInfo
	LogWarn
	LogError
)

// String returns the level's name in the contract.
func (l LogLevel) String() string {
	return nameOf(l, "trace", "debug", "info", "warn", "error")
}

// unknownName is the name of a number that the contract does not have.
const unknownName = "invalid"

func nameOf[T ~uint8](value T, names ...string) string {
	if int(value) < len(names) {
		return names[value]
	}
	return unknownName
}

// TimeoutMillis returns a timeout in milliseconds, the unit of the contract. It rounds
// up, so that only 0 stands for the host's default. The error for a negative timeout is
// [ErrInvalidArgument]. Implementations of [Host] use it.
func TimeoutMillis(timeout time.Duration) (uint64, error) {
	if timeout < 0 {
		return 0, &MessagingError{CaseInvalidArgument, "timeout: negative"}
	}
	return millisOf(timeout), nil
}

// millisOf returns a time that is not negative in milliseconds, rounded up.
func millisOf(t time.Duration) uint64 {
	t = min(t, math.MaxInt64-time.Millisecond)
	return uint64((t + time.Millisecond - 1) / time.Millisecond)
}
