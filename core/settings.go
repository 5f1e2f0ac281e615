package core

import "errors"

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
