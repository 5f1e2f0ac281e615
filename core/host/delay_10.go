//go:build airhost_delay10 && !airhost_delay5

package host

// delay makes a hop between two WebAssembly components about 10 % longer.
const delay = 41
