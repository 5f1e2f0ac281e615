//go:build !wasip1

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"

	"github.com/airhost/airhost"
	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/files"
	"github.com/airhost/airhost/reach/httpout"
	"github.com/airhost/airhost/reach/keyvalue"
	"github.com/airhost/airhost/reach/secret"
)

// shop is the service.
type shop struct {
	host   *airhost.Host
	store  keyvalue.Store
	web    *httpout.Client
	prices map[string]int // in cents, by article
}

// carts is the plug-in's id.
var carts = core.MustComponentID("shop/carts")

// deployment returns the plug-in with all that it may reach: a function of the program, a bucket of
// its own, the service of rates below a URL, a token for it, and a directory to read.
func deployment(plugin, rates, templates string) (host.Deployment, error) {
	rule, err := core.ParseHTTPRule(rates + "/*")
	return host.Deployment{
		ID: carts, Engine: "wazero", Source: core.Source{Path: plugin},
		Config:  []core.ConfigPair{{Key: "currency", Value: "USD"}, {Key: "rates", Value: rates}},
		Secrets: []host.Secret{{Key: "token", Source: secret.Env("SHOP_TOKEN")}},
		Capabilities: host.Capabilities{
			Call:     []core.IDPattern{airhost.Must(core.ParseIDPattern("price/*"))},
			KeyValue: []string{host.DefaultBucket},
			HTTP:     core.HTTPRules{rule},
			Files:    []host.FileGrant{{Path: templates, As: "/templates"}},
		},
	}, err
}

// openShop starts a service with a plug-in. Its bucket is in a file of the folder, which must exist.
func openShop(ctx context.Context, plugin host.Deployment, folder string, prices map[string]int) (*shop, error) {
	s := &shop{prices: prices}
	if err := s.open(ctx, plugin, folder); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

func (s *shop) open(ctx context.Context, plugin host.Deployment, folder string) (err error) {
	if s.store, err = keyvalue.OpenFile(keyvalue.FileConfig{Path: filepath.Join(folder, "carts.db"), Sync: true}); err != nil {
		return err
	}
	if s.web, err = httpout.New(httpout.Config{}); err != nil {
		return err
	}
	s.host, err = airhost.New(airhost.Config{
		Functions: map[string]host.Function{"price/lookup": s.lookup},
		KeyValue:  s.store,
		HTTP:      s.web,
		Files:     files.New(),
		CacheDir:  filepath.Join(folder, "code"), // a second start compiles nothing
	})
	if err != nil {
		return err
	}
	return s.host.Host().Deploy(ctx, plugin)
}

// close stops the host, and then closes all that it has used.
func (s *shop) close(ctx context.Context) (err error) {
	if s.host != nil {
		err = s.host.Close(ctx)
	}
	if s.web != nil {
		err = errors.Join(err, s.web.Close())
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	return err
}

// lookup is the function price/lookup. The plug-in waits until it returns.
func (s *shop) lookup(ctx context.Context, caller core.ComponentID, article []byte) ([]byte, error) {
	price, ok := s.prices[string(article)]
	if !ok {
		return nil, fmt.Errorf("no price for %q", article)
	}
	return strconv.AppendInt(nil, int64(price), 10), nil
}

// routes are the ways in: a cart, and a new article in it.
func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /carts/{customer}", func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, "") })
	mux.HandleFunc("POST /carts/{customer}", func(w http.ResponseWriter, r *http.Request) {
		article, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<10))
		if err != nil {
			http.Error(w, "the article is too large, or did not arrive", http.StatusBadRequest)
			return
		}
		s.answer(w, r, " "+string(article))
	})
	return mux
}

// answer asks the plug-in. The name of a customer is escaped, so that it has no space.
func (s *shop) answer(w http.ResponseWriter, r *http.Request, article string) {
	cart, err := s.host.Request(r.Context(), carts, []byte(url.PathEscape(r.PathValue("customer"))+article))
	switch {
	case err == nil:
		_, _ = fmt.Fprintf(w, "%s\n", cart)
	case errors.Is(err, core.ErrInvalidMessage):
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
