// Package sandbox is what every engine for WebAssembly does with a guest beside
// running it: it reads and checks the code, offers the guest the host's services
// and the little of WASI that a guest gets, counts what it uses up, and says why
// it ended.
package sandbox
