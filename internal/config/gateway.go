package config

import (
	"fmt"
	"slices"

	"github.com/airhost/airhost/core"
)

// Gateway are the ways in from outside.
type Gateway struct {
	HTTP HTTP `yaml:"http,omitempty" jsonschema_description:"An HTTP server that passes requests to components. Their sender is airhost/gateway."`
}

// HTTP is an HTTP server in front of components.
type HTTP struct {
	Listen         string   `yaml:"listen" jsonschema:"required,minLength=1" jsonschema_description:"The address, as host:port, such as 127.0.0.1:8080."`
	TLS            TLS      `yaml:"tls,omitempty" jsonschema_description:"For HTTPS; HTTP/2 is spoken with and without it."`
	Routes         []Route  `yaml:"routes" jsonschema:"required,minItems=1" jsonschema_description:"The components that answer."`
	MaxBody        Size     `yaml:"max_body,omitempty" jsonschema:"minimum=1B,maximum=1GiB,default=1MiB" jsonschema_description:"The largest body of a request."`
	MaxHeader      Size     `yaml:"max_header,omitempty" jsonschema:"minimum=1KiB,maximum=1MiB,default=64KiB" jsonschema_description:"How many bytes the headers of a request may have."`
	MaxConnections int      `yaml:"max_connections,omitempty" jsonschema:"minimum=1,maximum=1000000,default=1000" jsonschema_description:"How many connections there may be at the same time, of which more wait, and how many requests, of which more get 503."`
	ReadTimeout    Duration `yaml:"read_timeout,omitempty" jsonschema:"minimum=1ms,maximum=1h,default=10s" jsonschema_description:"How long a whole request may take to come."`
	WriteTimeout   Duration `yaml:"write_timeout,omitempty" jsonschema:"minimum=1ms,maximum=1h,default=10s" jsonschema_description:"How long a response may take to leave."`
	IdleTimeout    Duration `yaml:"idle_timeout,omitempty" jsonschema:"minimum=1ms,maximum=24h,default=1m" jsonschema_description:"How long a connection may wait for its next request."`
}

// TLS is a certificate with its key.
type TLS struct {
	Certificate string `yaml:"certificate" jsonschema:"required,minLength=1" jsonschema_description:"A PEM file with the certificate and those of its issuers, relative to this file."`
	Key         string `yaml:"key" jsonschema:"required,minLength=1" jsonschema_description:"A PEM file with the private key, relative to this file."`
}

// Route says which component answers which requests.
type Route struct {
	Path     string           `yaml:"path" jsonschema:"required,minLength=1" jsonschema_description:"The path of the requests; {name} is one part of it, a last {name...} all that follow."`
	Methods  []string         `yaml:"methods,omitempty" jsonschema_description:"Their methods, such as GET; all by default."`
	Target   core.ComponentID `yaml:"target" jsonschema:"required" jsonschema_description:"The component that answers."`
	Pattern  string           `yaml:"pattern,omitempty" jsonschema:"enum=request-response,enum=fire-and-forget,enum=http,default=request-response" jsonschema_description:"request-response: it gets the body, and its response is the answer; fire-and-forget: it gets the body, and the answer is 202; http: it gets the whole request, and answers with a whole response, both as HTTP/1.1."`
	Timeout  Duration         `yaml:"timeout,omitempty" jsonschema:"minimum=1ms,maximum=24h" jsonschema_description:"How long the component may take; host.request_timeout by default."`
	Envelope string           `yaml:"envelope,omitempty" jsonschema:"enum=none,enum=cloudevents,default=none" jsonschema_description:"The component gets none: the body as it is; cloudevents: a CloudEvent in JSON, with method, path and its parts."`
	Headers  []string         `yaml:"headers,omitempty" jsonschema_description:"Headers of the request that the envelope has."`
}

// Schedule is a request that is sent again and again.
type Schedule struct {
	Every    Duration         `yaml:"every,omitempty" jsonschema:"minimum=10ms,maximum=8784h" jsonschema_description:"The interval of the requests."`
	Cron     string           `yaml:"cron,omitempty" jsonschema_description:"Their times, in place of every: minute, hour, day of month, month and day of week, or @hourly, @daily, @weekly, @monthly or @yearly."`
	TimeZone string           `yaml:"timezone,omitempty" jsonschema:"default=UTC" jsonschema_description:"The time zone of cron, such as Europe/Berlin."`
	Jitter   Duration         `yaml:"jitter,omitempty" jsonschema:"minimum=1ms,maximum=24h" jsonschema_description:"By how much a request may be late, by chance; less than the interval."`
	Timeout  Duration         `yaml:"timeout,omitempty" jsonschema:"minimum=1ms,maximum=24h" jsonschema_description:"How long a request may take; host.request_timeout by default. The next one waits for its end."`
	Target   core.ComponentID `yaml:"target" jsonschema:"required" jsonschema_description:"The component that gets it."`
	Data     string           `yaml:"data,omitempty" jsonschema_description:"Its payload; empty by default."`
}

// locate joins the files to the file's folder. It returns a mistake for each one that does not
// exist.
func (t *TLS) locate(f *File) (missing Mistakes) {
	for key, path := range map[string]*string{"certificate": &t.Certificate, "key": &t.Key} {
		if *path == "" {
			continue
		}
		*path = f.path(*path)
		if err := readable(*path); err != nil {
			missing = append(missing, f.Mistake("gateway.http.tls."+key, fmt.Sprintf("%s: %s", *path, reason(err))))
		}
	}
	return missing
}

// strangers returns a warning for each target of a route or a schedule that is not in the file.
func (f *File) strangers() Mistakes {
	var warnings Mistakes
	note := func(path string, target core.ComponentID) {
		known := func(c Component) bool { return c.ID == target }
		if slices.ContainsFunc(f.Components, known) {
			return
		}
		warnings = append(warnings, f.Mistake(path, f.noComponent(target)))
	}
	for i, r := range f.Gateway.HTTP.Routes {
		note(fmt.Sprintf("gateway.http.routes[%d].target", i), r.Target)
	}
	for i, s := range f.Schedules {
		note(fmt.Sprintf("schedules[%d].target", i), s.Target)
	}
	return warnings
}
