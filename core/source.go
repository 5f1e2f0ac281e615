package core

// Source holds a guest's code or says where it is. Each engine documents which
// fields it uses.
type Source struct {
	// Path is the file that holds the code or is executed. For the native engine it
	// is the registered name of a component.
	Path string
	// Code is the code itself, if it is already in memory: for WebAssembly a core module, a
	// component, or a file of airhost compile. The engine does not change it, and
	// the caller must not change it while Compile runs.
	Code []byte
	// Value is a component as a Go value, for the native engine, or a description
	// of how to start one, for the process engine.
	Value any
	// SHA256 is the checksum of the bytes at Path or of Code, 32 bytes; nil is for any. An
	// engine refuses other bytes with a ModuleError that names both sums, and does not run
	// them. The native engine, which reads none, refuses a checksum.
	SHA256 []byte
}

// ConfigPair is one entry of a component's configuration.
type ConfigPair struct{ Key, Value string }
