//go:build !wasip1

package guest

// keyValueOf returns the key-value stores of a host, if it has any.
func keyValueOf(host Host) (KeyValueHost, bool) {
	stores, ok := host.(KeyValueHost)
	return stores, ok
}
