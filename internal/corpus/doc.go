// Package corpus contains only tests. They run code by other authors, both unchanged
// and changed by internal/meter, and compare the results: the WebAssembly
// specification's test suite, the guests of this project, and the core modules of
// real components. A difference is a fault of the meter, of internal/wasm or of an
// engine.
package corpus
