//go:build !airhost_unmetered

package sandbox

// metered is whether guests of wazero are made interruptible. It is false in
// builds with the tag airhost_unmetered only, which are for measuring what that
// costs: see scripts/compare-metering.sh.
const metered = true
