//go:build !(cgo && (linux || darwin) && (amd64 || arm64))

package main

// wasmtimeFloor is left out, as the engine is.
var wasmtimeFloor makeFloor
