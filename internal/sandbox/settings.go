package sandbox

import "github.com/airhost/airhost/core"

// Setting implements [core.Settings].
func (g *wasiGuest) Setting(key string) (value string, found bool, err error) {
	s := (*State)(g)
	s.outside(func() { value, found, err = core.SettingsOf(&s.Env).Setting(key) })
	return value, found, err
}

// AllSettings implements [core.Settings].
func (g *wasiGuest) AllSettings() (all []core.ConfigPair, err error) {
	s := (*State)(g)
	s.outside(func() { all, err = core.SettingsOf(&s.Env).AllSettings() })
	return all, err
}
