//go:build !wasip1

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/airhost/airhost"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// quotes is the plug-in's id.
var quotes = core.MustComponentID("shop/quotes")

// shop is the service.
type shop struct {
	host   *airhost.Host
	prices map[string]int // in cents, by article
}

// openShop starts a service with a plug-in.
func openShop(ctx context.Context, plugin string, prices map[string]int) (*shop, error) {
	s := &shop{prices: prices}
	h, err := airhost.New(airhost.Config{Functions: map[string]host.Function{"price/lookup": s.lookup}})
	if err != nil {
		return nil, err
	}
	s.host = h
	err = h.Host().Deploy(ctx, host.Deployment{
		ID: quotes, Engine: "wazero", Source: core.Source{Path: plugin},
		Capabilities: host.Capabilities{Call: []core.IDPattern{airhost.Must(core.ParseIDPattern("price/*"))}},
	})
	if err != nil {
		return nil, errors.Join(err, h.Close(ctx))
	}
	return s, nil
}

// lookup is the function price/lookup. The plug-in waits until it returns.
func (s *shop) lookup(ctx context.Context, caller core.ComponentID, article []byte) ([]byte, error) {
	price, ok := s.prices[string(article)]
	if !ok {
		return nil, fmt.Errorf("no price for %q", article)
	}
	return strconv.AppendInt(nil, int64(price), 10), nil
}

// ServeHTTP answers an order with its price.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	order, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, "the order is too large, or did not arrive", http.StatusBadRequest)
		return
	}
	cents, err := s.host.Request(r.Context(), quotes, order)
	switch {
	case err == nil:
		_, _ = w.Write(cents)
	case errors.Is(err, core.ErrInvalidMessage):
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
