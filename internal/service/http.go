package service

import (
	"net/netip"
	"time"

	"github.com/airhost/airhost/internal/config"
	"github.com/airhost/airhost/reach/httpout"
)

// newHTTP makes the client for requests to the web. It connects nothing.
func newHTTP(file *config.File) (*httpout.Client, error) {
	h := file.HTTP
	c := httpout.Config{
		CAFile: h.CAFile, Timeout: time.Duration(h.Timeout), MaxBody: int64(h.MaxBody), Redirects: h.Redirects,
		MaxConnections: h.MaxConnections, MaxConnectionsPerHost: h.MaxConnectionsPerHost,
	}
	if file.NoRedirects() {
		c.Redirects = -1
	}
	for _, text := range h.Allow {
		if p, err := netip.ParsePrefix(text); err == nil { // others are mistakes
			c.Allow = append(c.Allow, p)
		}
	}
	client, err := httpout.New(c)
	if err != nil {
		return nil, config.Mistakes{file.Mistake("http", err.Error())}
	}
	return client, nil
}

// closeReach closes the key-value store and the client for requests to the web.
func (s *Service) closeReach() error {
	if s.web != nil {
		_ = s.web.Close() // it returns no error
	}
	return s.closeStore()
}
