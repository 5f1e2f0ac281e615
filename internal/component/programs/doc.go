// Package programs tests package component with programs that other people have built.
//
// The programs are in the test data of the Go module github.com/samyfodil/wazy, which are
// in the module cache. They are mostly programs in Rust for wasm32-wasip2.
package programs
