// Package rules holds the project's rules about itself, as tests: the allowed
// imports, the sizes of functions and files, the comments that every package has,
// documents that show the output of the programs, and guests and workflows that can
// be built. It has no other code.
package rules
