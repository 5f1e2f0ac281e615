package guesttest

import "github.com/airhost/airhost/guest"

// secretFunction is the host's function behind [guest.Secret].
const secretFunction = "airhost/secret"

// secret returns one of Secrets.
func (h *Host) secret(key []byte) ([]byte, error) {
	value, ok := h.Secrets[string(key)]
	switch {
	case len(h.Secrets) == 0:
		return nil, &guest.CallError{Case: guest.CallDenied, Text: secretFunction + ": the component has no secrets"}
	case !ok:
		return nil, &guest.CallError{Case: guest.CallNotFound, Text: "the component has no secret " + string(key)}
	}
	return []byte(value), nil
}
