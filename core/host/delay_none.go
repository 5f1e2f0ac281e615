//go:build !airhost_delay5 && !airhost_delay10

package host

// delay is 0, and nothing is left of it in the program. Builds with the tags
// airhost_delay5 or airhost_delay10, by which it is seen whether a comparison of
// benchmarks finds what has become slower, have another one.
const delay = 0
