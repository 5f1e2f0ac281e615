package config

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/airhost/airhost/core"
)

// HTTPOut is how the host sends requests of components to the web.
type HTTPOut struct {
	Allow                 []string `yaml:"allow,omitempty" jsonschema:"eachMinLength=1" jsonschema_description:"Ranges of addresses that names may have beside the public ones, such as 10.0.0.0/8. A rule with an address, or with localhost, needs none."`
	CAFile                string   `yaml:"ca_file,omitempty" jsonschema:"minLength=1" jsonschema_description:"A PEM file, relative to this one, with certificates of authorities that are trusted beside those of the system."`
	Timeout               Duration `yaml:"timeout,omitempty" jsonschema:"minimum=1ms,maximum=24h,default=10s" jsonschema_description:"How long a request may take, with redirects and the whole response. The time of the component's call may end it earlier."`
	MaxBody               Size     `yaml:"max_body,omitempty" jsonschema:"minimum=1B,maximum=1GiB,default=1MiB" jsonschema_description:"The largest body of a request and of a response."`
	Redirects             int      `yaml:"redirects,omitempty" jsonschema:"minimum=0,maximum=20,default=10" jsonschema_description:"How many redirects of a request are followed; with 0 the component gets the response with the redirect."`
	MaxConnections        int      `yaml:"max_connections,omitempty" jsonschema:"minimum=1,maximum=65535,default=256" jsonschema_description:"How many connections there may be, idle ones included."`
	MaxConnectionsPerHost int      `yaml:"max_connections_per_host,omitempty" jsonschema:"minimum=1,maximum=65535,default=64" jsonschema_description:"How many of them may be to the same host and port. Further requests wait."`
}

// NoRedirects reports whether the file says that no redirect is followed.
func (f *File) NoRedirects() bool { return f.HTTP.Redirects == 0 && f.given("http.redirects") }

// httpOut notes wrong ranges of addresses.
func (d *decoder) httpOut() {
	for i, text := range d.file.HTTP.Allow {
		at := fmt.Sprintf("http.allow[%d]", i)
		if p, err := netip.ParsePrefix(text); !d.wrong(at) && (err != nil || p.Addr().Is4In6()) {
			d.at(at, "%q is no range of addresses: write it like 10.0.0.0/8 or fd00::/8", clip(text))
		}
	}
}

// locate joins the file of authorities to the folder, and returns a mistake if it cannot be read.
func (h *HTTPOut) locate(f *File) (missing Mistakes) {
	if h.CAFile == "" {
		return nil
	}
	h.CAFile = f.path(h.CAFile)
	if err := readable(h.CAFile); err != nil {
		missing = append(missing, f.Mistake("http.ca_file", fmt.Sprintf("%s: %s", h.CAFile, reason(err))))
	}
	return missing
}

// httpRules notes wrong rules for URLs.
func (d *decoder) httpRules(granted []string, path string) {
	for i, text := range granted {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch _, err := core.ParseHTTPRule(text); {
		case d.wrong(at):
		case err != nil:
			d.at(at, "%s", err)
		case slices.Contains(granted[:i], text):
			d.at(at, "%s is there twice: leave one out", text)
		}
	}
}

// HTTPRules returns the URLs that the component may reach.
func (c *Component) HTTPRules() (rules core.HTTPRules) {
	for _, text := range c.Capabilities.HTTP {
		if r, err := core.ParseHTTPRule(text); err == nil { // others are mistakes
			rules = append(rules, r)
		}
	}
	return rules
}
