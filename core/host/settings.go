package host

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/airhost/airhost/core"
)

const (
	// secretAge is how old a value may be that a component gets.
	secretAge = time.Second
	// secretWait is how long a component waits for a newer value at most. It gets the value
	// of before then.
	secretWait = 100 * time.Millisecond
)

// SecretFunction is the host's own function that returns a secret: its argument is the key, and its
// result the value. A component may call it if it has secrets. The error for another key is
// not-found.
const SecretFunction = core.HostNamespace + "/secret"

// Secret is a setting of a component that nobody else may see. The host replaces its value by its
// key in all that it logs, and in the texts that it keeps: see [core.Redactor].
type Secret struct {
	Key    string // as [core.CheckSecretKey] wants it
	Source SecretSource

	held *heldSecret // once a host has read it
}

// SecretSource is where a secret comes from. Package reach/secret has some. It is compared with the
// source of another deployment: equal ones have the same value.
type SecretSource interface {
	// ReadSecret returns the value as it is now: as [core.CheckSecret] wants it. The host calls it
	// at each deployment, and then at most once a second while the component asks for the
	// secret. If that fails, or takes too long, the former value stays. The error has no part of the
	// value. ReadSecret may be called from any goroutine.
	ReadSecret() (string, error)
}

// same reports whether s and another one are the same, apart from the values that a host has read.
func (s Secret) same(other Secret) bool {
	return s.Key == other.Key && sameValue(reflect.ValueOf(s.Source), reflect.ValueOf(other.Source))
}

// checkSecrets checks the secrets of d, but for their values.
func (d *Deployment) checkSecrets() error {
	if err := core.CheckCount("the number of secrets", int64(len(d.Secrets)), 0, core.MaxSecrets); err != nil {
		return err
	}
	for i, s := range d.Secrets {
		if err := core.CheckSecretKey(s.Key); err != nil {
			return err
		}
		is := func(key string) bool { return key == s.Key }
		switch {
		case s.Source == nil:
			return fmt.Errorf("the secret %q has no Source", s.Key)
		case slices.ContainsFunc(d.Config, func(p core.ConfigPair) bool { return is(p.Key) }):
			return fmt.Errorf("%q is in Config and in Secrets: leave it out of one of them", s.Key)
		case slices.ContainsFunc(d.Secrets[:i], func(o Secret) bool { return is(o.Key) }):
			return fmt.Errorf("the secret %q is there twice: leave one out", s.Key)
		}
	}
	return nil
}

// holdSecrets reads the secrets of d. From then on the host does not show them.
func (h *Host) holdSecrets(d *Deployment) error {
	d.Secrets = slices.Clone(d.Secrets) // the caller's
	for i := range d.Secrets {
		s := &d.Secrets[i]
		held := &heldSecret{host: h, component: d.ID, key: s.Key, source: s.Source, checked: h.clock.Exact()}
		if err := held.read(); err != nil {
			return fmt.Errorf("%w of %q: the secret %q: %w", ErrInvalidDeployment, d.ID, s.Key, err)
		}
		s.held = held
	}
	return nil
}

// heldSecret is a secret that a host has read, for all instances of a deployment.
type heldSecret struct {
	host      *Host
	component core.ComponentID
	key       string
	source    SecretSource

	mu      mutex[ofLeaf] // guards the following
	value   string
	checked time.Duration // when reading has begun last, on the host's clock
	reading chan struct{} // closed at the end of that; nil between
	problem string        // of the last reading, or empty
}

// current returns the value, which is no older than secretAge if it can be read.
func (s *heldSecret) current() string {
	s.mu.Lock()
	var done chan struct{}
	if now := s.host.clock.Exact(); s.reading == nil && now-s.checked >= secretAge {
		done = make(chan struct{})
		s.checked, s.reading = now, done
		go s.refresh(done)
	}
	value := s.value
	s.mu.Unlock()
	if done == nil {
		return value
	}
	limit := time.NewTimer(secretWait)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}

// refresh reads the value again. It logs a problem once.
func (s *heldSecret) refresh(done chan struct{}) {
	err := s.read()
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	s.mu.Lock()
	news := problem != "" && problem != s.problem
	s.problem, s.reading = problem, nil
	s.mu.Unlock()
	if news {
		s.log(slog.LevelWarn, "a secret could not be read again, its former value stays", "reason", problem)
	}
	close(done)
}

// read reads the value. The redactor has it before any component does.
func (s *heldSecret) read() error {
	value, err := s.readSource()
	if err == nil {
		err = core.CheckSecret(value)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	former := s.value
	s.mu.Unlock()
	if value == former {
		return nil
	}
	s.host.secrets.Add(s.key, value)
	s.mu.Lock()
	s.value = value
	s.mu.Unlock()
	switch {
	case former != "":
		s.log(slog.LevelInfo, "a secret has changed")
	case len(value) < core.MinRedacted:
		s.log(slog.LevelWarn, "a secret is too short to be replaced in logs", "want", fmt.Sprintf("at least %d bytes", core.MinRedacted))
	}
	return nil
}

// readSource makes a panic of the source an error, without the text of the panic, which may have a
// part of the value.
func (s *heldSecret) readSource() (value string, err error) {
	defer func() {
		if recover() != nil {
			value, err = "", fmt.Errorf("its source, a %T, has panicked", s.source)
		}
	}()
	return s.source.ReadSecret()
}

func (s *heldSecret) log(level slog.Level, message string, attrs ...any) {
	s.host.log.Log(s.host.background, level, message, append([]any{"component", s.component.String(), "key", s.key}, attrs...)...)
}

// Redactor returns what takes secrets of components out of texts: [Config.Secrets], or the host's
// own.
func (h *Host) Redactor() *core.Redactor { return h.secrets }

// settings returns the configuration and the secrets of c.
func (c *component) settings() ([]core.ConfigPair, []Secret) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deployment.Config, c.deployment.Secrets
}

// Setting implements [core.Settings].
func (s *services) Setting(key string) (value string, found bool, err error) {
	config, secrets := s.component.Load().settings()
	for _, p := range config {
		if p.Key == key {
			return p.Value, true, nil
		}
	}
	value, found = secretOf(secrets, key)
	return value, found, nil
}

// AllSettings implements [core.Settings].
func (s *services) AllSettings() ([]core.ConfigPair, error) {
	config, secrets := s.component.Load().settings()
	all := slices.Clone(config)
	for _, s := range secrets {
		all = append(all, core.ConfigPair{Key: s.Key, Value: s.held.current()})
	}
	return all, nil
}

// secretOf returns the value of a secret.
func secretOf(secrets []Secret, key string) (value string, found bool) {
	for _, s := range secrets {
		if s.Key == key {
			return s.held.current(), true
		}
	}
	return "", false
}

// secret is the function [SecretFunction].
func (c *component) secret(_ context.Context, key []byte) ([]byte, *core.CallError) {
	_, secrets := c.settings()
	value, found := secretOf(secrets, string(key))
	if !found {
		return nil, &core.CallError{Case: core.CallNotFound, Text: "the component has no secret " + core.CutText(key, core.MaxIDPart)}
	}
	return []byte(value), nil
}
