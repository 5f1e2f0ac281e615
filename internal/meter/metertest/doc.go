// Package metertest has only tests: those of internal/meter. They run code that the
// meter has changed on wazero and on Wasmtime. They have a package of their own because
// of wasmtime-go, which takes 200 MB: `go mod tidy` of a program downloads the modules
// that the tests of its packages import, and every program that uses WebAssembly imports
// internal/meter.
package metertest
