package service

import (
	"errors"
	"log/slog"

	"github.com/airhost/airhost/brokers/nats"
	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/internal/natsserver"
)

// startEmbedded starts the NATS server of a file's host. It returns nil if the file has none, or if
// a host aside finds the server of the other one.
func startEmbedded(file *config.File, aside bool, log *slog.Logger) (*natsserver.Server, error) {
	n := file.Host.NATS
	if !n.Embedded {
		return nil, nil
	}
	c := natsserver.Config{Store: n.Store, Certificate: n.TLS.Certificate, Key: n.TLS.Key, CA: n.TLS.CA, Logger: log}
	c.Address, c.Name, c.Password = n.Listens()
	if n.NKey != "" {
		key, err := nats.PublicKey(n.NKey)
		if err != nil {
			return nil, config.Mistakes{file.Mistake("host.nats.nkey", err.Error())}
		}
		c.NKey = key
	}
	s, err := natsserver.Start(c)
	var wrong *natsserver.Error
	switch {
	case !errors.As(err, &wrong):
		return s, err
	case aside && wrong.Key == "address":
		return nil, nil
	}
	path := "host.nats." + wrong.Key
	if wrong.Key == "address" {
		path = "host.nats.url"
	}
	return nil, config.Mistakes{file.Mistake(path, err.Error())}
}

// stopEmbedded ends the NATS server of the host, if it has one: nothing needs it any more.
func (s *Service) stopEmbedded() {
	if s.nats != nil {
		s.nats.Stop()
	}
}
