// Package shop is a component with all that a component may reach. It keeps a cart for each customer
// in key-value, asks the host's function price/lookup for prices and a web service for the rate of a
// currency, and answers by a template from a file.
package shop

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/airhost/airhost/guest"
)

// New returns the component.
func New() guest.Component { return new(shop) }

type shop struct {
	currency string
	rates    string // the URL of the web service, which answers RATES/CURRENCY
}

// Initialize takes the settings.
func (s *shop) Initialize(_ guest.Host, config guest.Config) error {
	s.currency, _ = config.Get("currency")
	s.rates, _ = config.Get("rates")
	if s.currency == "" || s.rates == "" {
		return guest.Failed("set currency and rates in config")
	}
	return nil
}

// HandleMessage puts an article into a cart, if the message names one: it is "CUSTOMER" or
// "CUSTOMER ARTICLE". The response shows the cart.
func (s *shop) HandleMessage(host guest.Host, _ string, message []byte) ([]byte, error) {
	customer, article, added := strings.Cut(string(message), " ")
	if added {
		if _, err := price(host, article); err != nil { // the shop does not have it
			return nil, err
		}
	}
	cart, err := change(host, customer, article)
	if err != nil {
		return nil, err
	}
	sum := 0
	for _, article := range cart {
		cents, err := price(host, article)
		if err != nil {
			return nil, err
		}
		sum += cents
	}
	rate, err := s.rate(host)
	if err != nil {
		return nil, err
	}
	return s.show(host, customer, cart, float64(sum)/100*rate)
}

// change returns a cart, with one more article if it is not "".
func change(host guest.Host, customer, article string) ([]string, error) {
	carts, err := guest.OpenBucket(host, guest.DefaultBucket)
	if err != nil {
		return nil, err
	}
	if article == "" {
		cart, _, err := carts.Get(customer)
		return strings.Fields(string(cart)), err
	}
	var cart []byte
	err = carts.Update(customer, func(old []byte, _ bool) ([]byte, error) {
		cart = append(append(old, ' '), article...)
		return cart, nil
	})
	return strings.Fields(string(cart)), err
}

// price returns the price of an article, in cents. The program that has the host in it knows it.
func price(host guest.Host, article string) (int, error) {
	cents, err := host.Call("price/lookup", []byte(article))
	if errors.Is(err, guest.ErrCallFailed) {
		return 0, guest.InvalidMessage("%v", err)
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(cents))
}

// rate asks the web service, with a token that only this component has. A call of airhost/fetch keeps
// the module small. With net/http, as in examples/rates, it is four times as large.
func (s *shop) rate(host guest.Host) (float64, error) {
	token, err := guest.Secret(host, "token")
	if err != nil {
		return 0, err
	}
	request := fmt.Sprintf("GET %s/%s HTTP/1.1\r\nauthorization: Bearer %s\r\n\r\n", s.rates, s.currency, token)
	response, err := host.Call("airhost/fetch", []byte(request))
	if err != nil {
		return 0, err
	}
	head, body, _ := bytes.Cut(response, []byte("\r\n\r\n"))
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		status, _, _ := bytes.Cut(head, []byte("\r\n"))
		return 0, guest.Failed("the service of rates answers %s", status)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(body)), 64)
}

// show fills the template in.
func (s *shop) show(host guest.Host, customer string, cart []string, sum float64) ([]byte, error) {
	templates, err := guest.OpenRoot(host, "/templates")
	if err != nil {
		return nil, err
	}
	defer templates.Close()
	template, err := templates.ReadFile("cart.txt")
	if err != nil {
		return nil, err
	}
	articles := strings.Join(cart, ", ")
	if articles == "" {
		articles = "nothing"
	}
	page := strings.NewReplacer("CUSTOMER", customer, "ARTICLES", articles, "CURRENCY", s.currency,
		"PRICE", strconv.FormatFloat(sum, 'f', 2, 64)).Replace(string(template))
	return []byte(page), nil
}
