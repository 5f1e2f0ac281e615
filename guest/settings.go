package guest

// Secret returns a secret of the component, by its key: a setting that the host shows to nobody
// else. It may be another one at the next call, since secrets change. The rules of [Host] hold
// for it. An error is a [CallError]: denied if the component has no secrets, not-found for another
// key.
//
// A component that logs a secret, or names it in an error, finds its key in the log instead.
func Secret(host Host, key string) (string, error) {
	value, err := host.Call("airhost/secret", []byte(key))
	return string(value), err
}
