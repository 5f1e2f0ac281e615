package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Part is a broker or a tracker: one that is built in, or an executable.
type Part struct {
	Name   string     // of a part that is built in; empty for the default and with a Plugin
	Plugin *Extension // or nil
}

// Extension is an executable that is a broker or a tracker.
type Extension struct {
	Plugin       string   `yaml:"plugin" jsonschema:"required,minLength=1" jsonschema_description:"The executable's file, relative to this file."`
	Args         []string `yaml:"args,omitempty" jsonschema_description:"Its arguments."`
	Env          Pairs    `yaml:"env,omitempty" jsonschema_description:"Its environment: nothing of airhost's own is added. NAME: ${NAME} passes a variable on."`
	SHA256       Checksum `yaml:"sha256,omitempty" jsonschema_description:"The checksum that the executable must have, in 64 hexadecimal digits."`
	StartTimeout Duration `yaml:"start_timeout,omitempty" jsonschema:"minimum=1ms,maximum=24h,default=10s" jsonschema_description:"How long it may take until it is ready."`
	Logs         Logs     `yaml:"logs,omitempty" jsonschema_description:"How much of what it prints is logged."`
	Restart      Restart  `yaml:"restart,omitempty" jsonschema_description:"When and how fast it is started again after its death."`
}

// MarshalYAML returns the value that the decoder reads as p.
func (p Part) MarshalYAML() (any, error) {
	if p.Plugin != nil {
		return p.Plugin, nil
	}
	return p.Name, nil
}

// part decodes a name or an executable.
func (d *decoder) part(path string, n ast.Node, into *Part, r rules) {
	if _, keys := n.(ast.MapNode); !keys {
		d.string(path, n, reflect.ValueOf(&into.Name).Elem(), r)
		return
	}
	into.Plugin = new(Extension)
	d.mapping(path, n, reflect.ValueOf(into.Plugin).Elem())
}

// parts are the host's, by their paths in the file.
func (h *Host) parts() map[string]*Part {
	return map[string]*Part{"host.broker": &h.Broker, "host.tracker": &h.Tracker}
}

// extension notes contradictions between keys that are right by themselves.
func (d *decoder) extension(e *Extension, path string) {
	d.restart(&e.Restart, path+".restart")
	if most := path + ".restart.max_deliver"; d.file.given(most) && e.Restart.MaxDeliver != defaultMaxDeliver && !d.wrong(most) {
		d.at(most, "is for components with delivery: durable alone: leave it out")
	}
	d.variables(e.Env, path)
}

// variables checks the names of an environment's variables.
func (d *decoder) variables(env Pairs, path string) {
	for _, variable := range env {
		name, at := variable.Key, path+".env."+variable.Key
		if (name == "" || strings.ContainsAny(name, "=\x00")) && !d.wrong(at) {
			d.at(at, "%q is no name of a variable: it must not be empty and have no '='", clip(name))
		}
	}
}

// locate joins the executable to the folder. It returns a mistake if the executable does
// not exist.
func (e *Extension) locate(f *File, path string) Mistakes {
	if e.Plugin == "" {
		return nil
	}
	e.Plugin = f.path(e.Plugin)
	if err := readable(e.Plugin); err != nil {
		return Mistakes{f.Mistake(path+".plugin", fmt.Sprintf("%s: %s", e.Plugin, reason(err)))}
	}
	return nil
}

// Checksum is a SHA-256, which is written in hexadecimal digits.
type Checksum []byte

const checksumPattern = `^[0-9a-fA-F]{64}$`

var errChecksum = errors.New("want a SHA-256 in 64 hexadecimal digits, as sha256sum prints it")

// UnmarshalText reads 64 hexadecimal digits.
func (c *Checksum) UnmarshalText(text []byte) error {
	sum, err := hex.DecodeString(string(text))
	if err != nil || len(sum) != 32 {
		return errChecksum
	}
	*c = sum
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (c Checksum) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(c)), nil }
