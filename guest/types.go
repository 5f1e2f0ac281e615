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

// Config is a component's configuration, in the order in which the host has it.
type Config []ConfigPair

// Get returns the value of the last entry with the key, and whether there is
// one.
func (c Config) Get(key string) (string, bool) {
	for i := len(c) - 1; i >= 0; i-- {
		if c[i].Key == key {
			return c[i].Value, true
		}
	}
	return "", false
}

// HealthStatus is how a component is; the values are the contract's.
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

// LogLevel is how important a log entry is; the values are the contract's.
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

// unknownName is the name of what the contract does not have.
const unknownName = "invalid"

func nameOf[T ~uint8](value T, names ...string) string {
	if int(value) < len(names) {
		return names[value]
	}
	return unknownName
}

// TimeoutMillis returns a timeout as the contract counts it: in milliseconds,
// rounded up, so that only 0 stands for the host's default. A negative timeout
// is [ErrInvalidArgument]. Implementations of [Host] use it.
func TimeoutMillis(timeout time.Duration) (uint64, error) {
	if timeout < 0 {
		return 0, &MessagingError{CaseInvalidArgument, "timeout: negative"}
	}
	if timeout > math.MaxInt64-time.Millisecond {
		timeout = math.MaxInt64 - time.Millisecond
	}
	return uint64((timeout + time.Millisecond - 1) / time.Millisecond), nil
}
