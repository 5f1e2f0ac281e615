// Package sandbox holds the parts of an engine for WebAssembly that do not depend on
// how the engine runs code: reading and checking a module, the host's services, the
// limits of a call, and the reason why an instance has ended.
package sandbox
