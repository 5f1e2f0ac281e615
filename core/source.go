package core

// Source is where a guest's code comes from. Engines say which fields they use.
type Source struct {
	// Path is the file that holds the code or is executed, or the name under
	// which the native engine knows a component.
	Path string
	// Code is the code itself, where it is already in memory. It is not changed,
	// and must not be changed while Compile runs.
	Code []byte
	// Value is a component in the form of a Go value, for the native engine, or
	// how to start one, for the process engine.
	Value any
}

// ConfigPair is one entry of a component's configuration.
type ConfigPair struct{ Key, Value string }
