package host_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// vault is a secret of a test, which may change, fail or block.
type vault struct {
	mu      sync.Mutex
	value   string
	err     error
	blocked chan struct{}
}

func (v *vault) ReadSecret() (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.blocked != nil {
		<-v.blocked
	}
	return v.value, v.err
}

func (v *vault) set(value string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.value, v.err = value, err
}

// settled is a component that answers with a setting, or with all of them.
func settled() *toy {
	return &toy{answer: func(i *toyInstance, _ core.ComponentID, message []byte) ([]byte, error) {
		if string(message) == "all" {
			all, err := i.env.Settings.AllSettings()
			return fmt.Appendf(nil, "%v %v", all, err), nil
		}
		if key, is := strings.CutPrefix(string(message), "call "); is {
			return []byte(i.call("airhost/secret", key)), nil
		}
		value, found, err := i.env.Settings.Setting(string(message))
		return fmt.Appendf(nil, "%s %v %v", value, found, err), nil
	}}
}

func settledDeployment(component *toy, secrets ...host.Secret) host.Deployment {
	d := toyDeployment("a/x", component)
	d.Config, d.Secrets = []core.ConfigPair{{Key: "limit", Value: "3"}}, secrets
	return d
}

// answers checks the answer of a/x.
func (h *testHost) answers(message, want string) {
	h.t.Helper()
	got, err := h.request("a/x", message)
	check(h.t, err)
	if got != want {
		h.t.Errorf("%s: got %s, want %s", message, got, want)
	}
}

// TestSettings: a component gets its configuration and its secrets, by both ways, and a new version gets new ones.
func TestSettings(t *testing.T) {
	everyPart(t, func(t *testing.T, p parts) {
		h := p.start(t, host.Config{})
		check(t, h.Deploy(within(t), settledDeployment(settled())))
		h.answers("call key", "denied: airhost/secret: the component has no secrets")
		h.answers("key", " false <nil>")
		d := settledDeployment(settled(), host.Secret{Key: "key", Source: &vault{value: "s3cr3t"}}, host.Secret{Key: "other", Source: &vault{value: "s3cr3t-two"}})
		check(t, h.Replace(within(t), d))
		h.answers("limit", "3 true <nil>")
		h.answers("key", "s3cr3t true <nil>")
		h.answers("none", " false <nil>")
		h.answers("all", "[{limit 3} {key s3cr3t} {other s3cr3t-two}] <nil>")
		h.answers("call key", "ok: s3cr3t")
		h.answers("call limit", "not-found: the component has no secret limit")
		h.answers("call none", "not-found: the component has no secret none")
		d.Quota.Burst = 7
		check(t, h.Update(within(t), d))
		h.answers("key", "s3cr3t true <nil>")
		d.Secrets = []host.Secret{{Key: "key", Source: &vault{value: "s3cr3t-three"}}}
		if err := h.Update(within(t), d); !errors.Is(err, host.ErrNeedsReplacement) || !strings.Contains(err.Error(), "secrets") {
			t.Errorf("an update of secrets: %v", err)
		}
		check(t, h.Replace(within(t), d))
		h.answers("key", "s3cr3t-three true <nil>")
		h.answers("other", " false <nil>")
		h.balance()
	})
}

// TestSecretChanges: a component gets a secret that has changed, and the former one while it cannot be read.
func TestSecretChanges(t *testing.T) {
	h := start(t, host.Config{})
	v := &vault{value: "s3cr3t-1"}
	check(t, h.Deploy(within(t), settledDeployment(settled(), host.Secret{Key: "key", Source: v})))
	h.answers("key", "s3cr3t-1 true <nil>")
	v.set("s3cr3t-2", nil)
	h.becomes("s3cr3t-2 true <nil>")
	v.set("s3cr3t-3", errors.New("the disk is away"))
	h.logs("its former value stays")
	v.set("", nil)
	h.logs("it is empty")
	v.set(strings.Repeat("x", core.MaxSecret+1), nil)
	h.logs("more than 65536 bytes")
	h.answers("key", "s3cr3t-2 true <nil>")
	v.set("s3cr3t-4", nil)
	h.becomes("s3cr3t-4 true <nil>")
	if log := h.log.String(); strings.Contains(log, "s3cr3t") || !strings.Contains(log, "a secret has changed") {
		t.Errorf("the log: %s", log)
	}
}

// TestSecretBlocks: a secret that takes long to read does not hold up its component.
func TestSecretBlocks(t *testing.T) {
	h := start(t, host.Config{})
	v := &vault{value: "s3cr3t-1"}
	check(t, h.Deploy(within(t), settledDeployment(settled(), host.Secret{Key: "key", Source: v})))
	blocked := make(chan struct{})
	v.mu.Lock()
	v.blocked = blocked
	v.mu.Unlock()
	<-time.After(time.Second)
	for range 3 {
		h.answers("key", "s3cr3t-1 true <nil>")
	}
	close(blocked)
}

// faulty is a source of a secret. It panics, with a part of the value.
type faulty struct{ broken atomic.Bool }

func (f *faulty) ReadSecret() (string, error) {
	if f.broken.Load() {
		panic("no end behind s3cr3t")
	}
	return "s3cr3t-1", nil
}

// TestSecretPanics: a source that panics is like one that fails.
func TestSecretPanics(t *testing.T) {
	h := start(t, host.Config{})
	source := new(faulty)
	check(t, h.Deploy(within(t), settledDeployment(settled(), host.Secret{Key: "key", Source: source})))
	source.broken.Store(true)
	h.logs("its source, a *host_test.faulty, has panicked")
	h.answers("key", "s3cr3t-1 true <nil>")
	d := settledDeployment(settled(), host.Secret{Key: "key", Source: source})
	d.ID = id("a/y")
	if err := h.Deploy(within(t), d); !errors.Is(err, host.ErrInvalidDeployment) || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("got %v", err)
	}
}

// becomes waits until a/x answers otherwise.
func (h *testHost) becomes(want string) {
	h.t.Helper()
	got := ""
	for range 100 {
		var err error
		got, err = h.request("a/x", "key")
		check(h.t, err)
		if got == want {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	h.t.Errorf("got %s, want %s", got, want)
}

// logs waits until the log has a text, while a/x asks for its secret.
func (h *testHost) logs(want string) {
	h.t.Helper()
	for range 100 {
		_, err := h.request("a/x", "key")
		check(h.t, err)
		if strings.Contains(h.log.String(), want) {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	h.t.Errorf("the log has no %q: %s", want, h.log.String())
}

// TestWrongSecrets: a deployment with secrets that are wrong, or cannot be read, is refused, and the error does not tell them.
func TestWrongSecrets(t *testing.T) {
	h := start(t, host.Config{})
	source := &vault{value: "s3cr3t"}
	many := make([]host.Secret, core.MaxSecrets+1)
	for i := range many {
		many[i] = host.Secret{Key: fmt.Sprint(i), Source: source}
	}
	for _, test := range []struct {
		secrets []host.Secret
		want    string
	}{
		{many, "number of secrets"},
		{[]host.Secret{{Key: "", Source: source}}, "has 0 bytes"},
		{[]host.Secret{{Key: strings.Repeat("k", 129), Source: source}}, "has 129 bytes"},
		{[]host.Secret{{Key: "a b", Source: source}}, `contains " "`},
		{[]host.Secret{{Key: "key"}}, "has no Source"},
		{[]host.Secret{{Key: "limit", Source: source}}, "is in Config and in Secrets"},
		{[]host.Secret{{Key: "key", Source: source}, {Key: "key", Source: source}}, "is there twice"},
		{[]host.Secret{{Key: "key", Source: &vault{err: errors.New("no such file")}}}, `the secret "key": no such file`},
		{[]host.Secret{{Key: "key", Source: &vault{}}}, `the secret "key": it is empty`},
		{[]host.Secret{{Key: "key", Source: &vault{value: "s3cr3t\xff"}}}, "it is not UTF-8"},
		{[]host.Secret{{Key: "key", Source: &vault{value: strings.Repeat("s3cr3t", core.MaxSecret/6+1)}}}, "it has more than 65536 bytes"},
	} {
		err := h.Deploy(within(t), settledDeployment(settled(), test.secrets...))
		if !errors.Is(err, host.ErrInvalidDeployment) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
	check(t, h.Deploy(within(t), settledDeployment(settled(), many[:core.MaxSecrets]...)))
	check(t, h.Undeploy(within(t), id("a/x")))
	check(t, h.Deploy(within(t), settledDeployment(settled(), host.Secret{Key: "key", Source: &vault{value: "short"}})))
	contains(t, "the log", h.log.String(), "too short to be replaced")
}
