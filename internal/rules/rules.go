// Package rules holds the project's rules about itself, as tests: who may import
// whom, that every package says what it is for, and that what the documents show
// is what the programs do. It has no code of its own.
package rules
