//go:build !airhost_unmetered

package sandbox

// metered tells whether wazero's guests can be interrupted. Only builds with the tag
// airhost_unmetered set it to false; they measure the cost of the checks. See
// scripts/compare-metering.sh.
const metered = true
