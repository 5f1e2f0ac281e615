//go:build airhost_unmetered

package sandbox

const metered = false
