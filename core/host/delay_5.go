//go:build airhost_delay5

package host

// delay makes a hop between two WebAssembly components about 5 % longer.
const delay = 17
