package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/invopop/jsonschema"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/reach/secret"
)

// Secrets are the secrets of a component by their keys.
type Secrets map[string]Secret

// Secret says where a secret comes from: one of both.
type Secret struct {
	Env  string `yaml:"env,omitempty" jsonschema:"minLength=1" jsonschema_description:"The name of a variable of airhost's environment, without ${}."`
	File string `yaml:"file,omitempty" jsonschema:"minLength=1" jsonschema_description:"A file, relative to this one: 1 byte to 64KiB of UTF-8, of which a line end at the end is no part. When it changes, the component gets the new value by its next call."`
}

// nameOfVariable is the syntax of the name of a variable that has a secret. Others are rather the secret
// itself.
const nameOfVariable = `[A-Za-z_][A-Za-z0-9_]*`

const secretKeyPattern = `^[A-Za-z0-9_.-]{1,128}$`

var variableNameAlone = regexp.MustCompile(`^` + nameOfVariable + `$`)

// ofSecrets completes the schema of secrets, of which the tags say a part.
func ofSecrets(schema *jsonschema.Schema) {
	one, most := uint64(1), uint64(core.MaxSecrets)
	schema.PropertyNames.Pattern, schema.MaxProperties = secretKeyPattern, &most
	source := schema.AdditionalProperties
	source.MinProperties, source.MaxProperties = &one, &one
	name, _ := source.Properties.Get("env")
	name.Pattern, name.MinLength = "^"+nameOfVariable+"$", nil
}

// allSecrets decodes the secrets of a component. No mistake tells a value, which may be the secret.
func (d *decoder) allSecrets(path string, n ast.Node, into *Secrets) {
	if _, keys := n.(ast.MapNode); !keys {
		d.notef(n, path, "want keys, each with {env: NAME} or {file: PATH}")
		return
	}
	d.named(path, n, reflect.ValueOf(into).Elem())
}

// secret decodes where a secret comes from.
func (d *decoder) secret(path string, n ast.Node, into *Secret) {
	m, keys := n.(ast.MapNode)
	if !keys {
		d.notef(n, path, "want {env: NAME} or {file: PATH}")
		return
	}
	before, count := len(d.mistakes), 0
	for it := m.MapRange(); it.Next(); {
		count++
	}
	d.mapping(path, n, reflect.ValueOf(into).Elem())
	for _, m := range d.mistakes[before:] {
		if strings.HasPrefix(m.Text, "want a text") {
			m.Text = "want a text, which is in quotes if it looks like a number"
		}
	}
	if count != 1 {
		d.notef(n, path, "want either env, the name of a variable, or file, the path of a file")
	}
}

// secrets notes wrong secrets of a component, but for their values.
func (d *decoder) secrets(c *Component, path string) {
	if len(c.Secrets) > core.MaxSecrets {
		d.at(path+".secrets", "has %d keys, at most %d are possible", len(c.Secrets), core.MaxSecrets)
	}
	for _, key := range slices.Sorted(maps.Keys(c.Secrets)) {
		s, at := c.Secrets[key], path+".secrets."+key
		if err := core.CheckSecretKey(key); err != nil {
			d.at(at, "%s", err)
		}
		switch {
		case d.wrong(at) || d.wrong(at+".env") || d.wrong(at+".file"):
		case s.Env != "" && (d.file.Substituted(at+".env") || !variableNameAlone.MatchString(s.Env)):
			d.at(at+".env", "want the name of a variable alone, without ${} and without its value")
		case slices.ContainsFunc(c.Config, func(p core.ConfigPair) bool { return p.Key == key }):
			d.at(at, "is in config as well: leave it out there")
		}
	}
}

// locateSecrets joins the files of secrets to the folders of the files that name them. It returns
// a mistake for each secret that cannot be read.
func (f *File) locateSecrets() (missing Mistakes) {
	for i := range f.Components {
		c := &f.Components[i]
		_ = c.moveSecrets(func(path string) (string, error) { return joined(f.textOf(i).folder, path), nil })
		for _, key := range slices.Sorted(maps.Keys(c.Secrets)) {
			path := fmt.Sprintf("components[%d].secrets.%s", i, key)
			switch s := c.Secrets[key]; {
			case s.File != "" && s.Env == "":
				if _, err := secret.File(s.File).ReadSecret(); err != nil {
					missing = append(missing, f.Mistake(path+".file", err.Error()))
				}
			case variableNameAlone.MatchString(s.Env) && !f.Substituted(path+".env"):
				if _, err := secret.Env(s.Env).ReadSecret(); err != nil {
					missing = append(missing, f.Mistake(path+".env", err.Error()))
				}
			}
		}
	}
	return missing
}

// moveSecrets changes the paths of the files of a component's secrets.
func (c *Component) moveSecrets(change func(path string) (string, error)) (err error) {
	c.Secrets = maps.Clone(c.Secrets)
	for key, s := range c.Secrets {
		if s.File == "" {
			continue
		}
		if s.File, err = change(s.File); err != nil {
			return err
		}
		c.Secrets[key] = s
	}
	return nil
}

// openSecrets returns warnings for files with secrets that all users of the system may read.
func (f *File) openSecrets() (warnings Mistakes) {
	for i := range f.Components {
		secrets := f.Components[i].Secrets
		for _, key := range slices.Sorted(maps.Keys(secrets)) {
			if s := secrets[key]; s.File != "" && secret.File(s.File).ReadableByOthers() {
				warnings = append(warnings, f.Mistake(fmt.Sprintf("components[%d].secrets.%s.file", i, key),
					s.File+" can be read by all users of this system: chmod o-r takes that away"))
			}
		}
	}
	return warnings
}

// secrets compares where secrets come from.
func (c *comparison) secrets(path string, old, new Secrets) {
	keys := maps.Clone(old)
	if keys == nil {
		keys = Secrets{}
	}
	maps.Copy(keys, new)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		c.value(join(path, key), old[key].String(), new[key].String())
	}
}

// String returns where the secret comes from, in the words of a file.
func (s Secret) String() string {
	switch {
	case s.Env != "":
		return "{env: " + s.Env + "}"
	case s.File != "":
		return "{file: " + s.File + "}"
	}
	return noValue
}
