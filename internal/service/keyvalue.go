package service

import (
	"log/slog"

	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/reach/keyvalue"
)

// OpenKeyValue opens the key-value store in the file that a configuration names. There must be one:
// see [KeyValueInFile].
func OpenKeyValue(file *config.File, log *slog.Logger) (keyvalue.Store, error) {
	s, err := keyvalue.OpenFile(keyvalue.FileConfig{Path: file.KeyValue.Path, Sync: file.KeyValue.Sync, Logger: log})
	if err != nil {
		return nil, config.Mistakes{file.Mistake("keyvalue.path", err.Error())}
	}
	return s, nil
}

// KeyValueInFile reports whether the key-value store of a configuration is in a file.
func KeyValueInFile(file *config.File) bool {
	return file.HasKeyValue() && file.KeyValue.Store != config.StoreMemory
}

// openStore opens the key-value store of a file, or returns nil if that has none.
func openStore(file *config.File, log *slog.Logger) (keyvalue.Store, error) {
	switch {
	case KeyValueInFile(file):
		return OpenKeyValue(file, log)
	case file.HasKeyValue():
		return keyvalue.NewMemory(), nil
	}
	return nil, nil
}

// KeyValue returns the host's key-value store, or nil.
func (s *Service) KeyValue() keyvalue.Store { return s.store }

// closeStore closes the store, if there is one.
func (s *Service) closeStore() error {
	if s.store == nil {
		return nil
	}
	return s.store.Close()
}
