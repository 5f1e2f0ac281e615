// Package corpus has only tests. They run code that others wrote, plain and as
// internal/meter changes it, and compare: the WebAssembly specification's test
// suite, the guests of this project, and the core modules of real components. A
// difference is a fault of the meter, of internal/wasm or of an engine.
package corpus
