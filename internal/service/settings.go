package service

import (
	"maps"
	"slices"

	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/reach/secret"
)

// secrets are the secrets of a component in core/host's terms, sorted by key.
func secrets(given config.Secrets) (all []host.Secret) {
	for _, key := range slices.Sorted(maps.Keys(given)) {
		s := host.Secret{Key: key, Source: secret.Env(given[key].Env)}
		if file := given[key].File; file != "" {
			s.Source = secret.File(file)
		}
		all = append(all, s)
	}
	return all
}
