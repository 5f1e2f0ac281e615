// Package fusetest has only tests: those of internal/fuse that run fused modules, and the
// same instances linked by the engines themselves, on wazero and on Wasmtime. They have a
// package of their own for the reason that internal/meter/metertest has.
package fusetest
