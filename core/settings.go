package core

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	// MaxSecrets is how many secrets a component has at most.
	MaxSecrets = 64
	// MaxSecret is the longest value of a secret in bytes.
	MaxSecret = 64 << 10
	// maxSecretKey is the longest key of a secret in bytes.
	maxSecretKey = 128
)

// CheckSecretKey checks the key of a secret: 1 to 128 ASCII letters, digits, '-', '_' and '.'. An
// error wraps [ErrOutOfRange].
func CheckSecretKey(key string) error {
	if len(key) == 0 || len(key) > maxSecretKey {
		return fmt.Errorf("the key of a secret has %d bytes, %w: want 1 to %d", len(key), ErrOutOfRange, maxSecretKey)
	}
	for i := range len(key) {
		if b := key[i]; !isIDByte(b) && (b < 'A' || b > 'Z') {
			return fmt.Errorf("the key %q of a secret contains %q, %w: want letters of ASCII, 0-9, '-', '_' or '.'", clip(key), key[i:i+1], ErrOutOfRange)
		}
	}
	return nil
}

// CheckSecret checks the value of a secret: 1 to [MaxSecret] bytes of UTF-8. The error does not tell
// it.
func CheckSecret(value string) error {
	switch {
	case value == "":
		return errors.New("it is empty")
	case len(value) > MaxSecret:
		return fmt.Errorf("it has more than %d bytes", MaxSecret)
	case !utf8.ValidString(value):
		return errors.New("it is not UTF-8")
	}
	return nil
}

// Settings are the host's services of wasi:config/store: the configuration and the secrets of a
// component. The rules of [Services] hold for them: calls come while a call of the instance is
// in progress, on its goroutine. They may also come while the instance is made. An error is a
// [SettingsError].
type Settings interface {
	// Setting is get. found is false if the component has no such key.
	Setting(key string) (value string, found bool, err error)
	// AllSettings is get-all: the configuration in its order, and then the secrets.
	AllSettings() ([]ConfigPair, error)
}

// SettingsOf returns the settings of an environment. If the host has none, there are no keys.
func SettingsOf(env *Environment) Settings {
	if env.Settings == nil {
		return noSettings{}
	}
	return env.Settings
}

type noSettings struct{}

func (noSettings) Setting(string) (string, bool, error) { return "", false, nil }
func (noSettings) AllSettings() ([]ConfigPair, error)   { return nil, nil }

// SettingsErrorCase is a case of the error of wasi:config/store, with the same number.
type SettingsErrorCase uint8

// The cases.
const (
	SettingsUpstream SettingsErrorCase = iota // what keeps the values has failed
	SettingsIO                                // they could not be read
)

// SettingsError says why a component does not get its settings.
type SettingsError struct {
	Case SettingsErrorCase
	Text string // at most [MaxErrorText] bytes of UTF-8
}

// String returns the case's name in wasi:config.
func (c SettingsErrorCase) String() string {
	if c == SettingsUpstream {
		return "upstream"
	}
	return "io"
}

// Error returns the case's name and the text.
func (e *SettingsError) Error() string { return join(e.Case.String(), e.Text) }

// AsSettingsError returns the error that a guest gets for err, which is not nil: the
// SettingsError that err is or wraps, or otherwise io with err's text.
func AsSettingsError(err error) *SettingsError {
	var e *SettingsError
	if errors.As(err, &e) {
		return e
	}
	return &SettingsError{Case: SettingsIO, Text: CutText(err.Error(), MaxErrorText)}
}
