package service

import (
	"context"
	"log/slog"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/reach/keyvalue"
	"github.com/airhost/airhost/reach/keyvalue/natskv"
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
	return file.HasKeyValue() && file.KeyValue.Store != config.StoreMemory && file.KeyValue.Store != config.StoreNATS
}

// keyValueInNATS reports whether it is in NATS.
func keyValueInNATS(file *config.File) bool {
	return file.HasKeyValue() && file.KeyValue.Store == config.StoreNATS && file.Host.UsesNATS()
}

// natsStore returns the store of a file in NATS, which has no broker yet.
func natsStore(file *config.File, log *slog.Logger) *natskv.Store {
	c := NATS(file)
	return natskv.New(natskv.Config{Bucket: nats.KeyValueBucket(c.Cluster), Replicas: c.Replicas, Logger: log})
}

// openStore opens the key-value store of a file, or returns nil if that has none.
func openStore(file *config.File, log *slog.Logger) (keyvalue.Store, error) {
	switch {
	case KeyValueInFile(file):
		return OpenKeyValue(file, log)
	case keyValueInNATS(file):
		return natsStore(file, log), nil
	case file.HasKeyValue():
		return keyvalue.NewMemory(), nil
	}
	return nil, nil
}

// joinStore gives a store in NATS the connection of the host's broker.
func (s *Service) joinStore() {
	store, inNATS := s.store.(*natskv.Store)
	broker, joined := s.placement.broker.(*nats.Broker)
	if inNATS && joined {
		store.Use(broker)
	}
}

// probeStore asks the NATS servers if they can keep the key-value store of a file. The warning says that
// more of them could keep it.
func probeStore(ctx context.Context, file *config.File) (warning string, err error) {
	c, err := nats.Dial(ctx, NATS(file))
	if err != nil {
		return "", err
	}
	defer c.Close()
	store := natsStore(file, slog.Default())
	store.Use(c)
	have, err := store.Check(ctx)
	if err != nil {
		return "", err
	}
	return c.ReplicasWarning(store.Stream(), have, "components cannot reach their buckets while its server is away, and lose them with its disk"), nil
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
