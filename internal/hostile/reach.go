package hostile

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
	"github.com/airhost/airhost/reach/httpout"
)

//go:embed guest/reacher.wasm
var reacher []byte

// fileQuota bounds the attacker's directory.
var fileQuota = host.FileQuota{Bytes: 4 << 20, Files: 200}

// sendQuota is how many requests of the attacker may be under way.
const sendQuota = 16

// secret is the attacker's.
type secret string

const attackersSecret = secret("correct-horse-battery-staple")

// ReadSecret implements [host.SecretSource].
func (s secret) ReadSecret() (string, error) { return string(s), nil }

// outside is the directory, the server and the secret of an attacker.
type outside struct {
	top, folder string // of the attackers' directories, and the one of the current attack
	client      *httpout.Client
	server      *http.Server // answers nothing
	listener    net.Listener
	waiting     atomic.Int64 // requests that the server has
}

func newOutside() (o *outside, err error) {
	o = &outside{}
	if o.top, err = os.MkdirTemp("", "hostile"); err != nil {
		return nil, err
	}
	if o.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, os.RemoveAll(o.top))
	}
	o.client, err = httpout.New(httpout.Config{})
	o.server = &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		o.waiting.Add(1)
		defer o.waiting.Add(-1)
		<-r.Context().Done()
	})}
	go func() { _ = o.server.Serve(o.listener) }() // it ends at Close
	return o, err
}

func (o *outside) close() error {
	return errors.Join(o.client.Close(), o.server.Close(), os.RemoveAll(o.top))
}

// grant gives a deployment all of it: a new directory, the server, and a secret.
func (o *outside) grant(d *host.Deployment) (err error) {
	if o.folder, err = os.MkdirTemp(o.top, ""); err != nil {
		return err
	}
	rule, err := core.ParseHTTPRule("http://" + o.listener.Addr().String() + "/*")
	d.Capabilities.HTTP = core.HTTPRules{rule}
	d.Capabilities.Files = []host.FileGrant{{Path: o.folder, As: "/data", Write: true}}
	d.Quota.Files, d.Quota.HTTPRequests, d.Limits.MessageSize = fileQuota, sendQuota, 1<<20
	d.Secrets = []host.Secret{{Key: "token", Source: attackersSecret}}
	d.Config = append(d.Config, core.ConfigPair{Key: "web", Value: o.listener.Addr().String()})
	return err
}

// left returns an error if an attacker that is gone had more than its quota, or something outside of its
// directory, or if it still has a file or a request. It removes the directory.
func (o *outside) left(ctx context.Context) error {
	if o.folder == "" {
		return nil
	}
	var bytes, entries int64
	err := filepath.WalkDir(o.top, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == o.top || path == o.folder {
			return err
		}
		info, err := e.Info()
		if entries++; err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		if !strings.HasPrefix(path, o.folder) {
			return fmt.Errorf("the attacker has made %s", path)
		}
		return err
	})
	if bytes > fileQuota.Bytes || entries > fileQuota.Files {
		err = errors.Join(err, fmt.Errorf("the directory has %d bytes and %d files", bytes, entries))
	}
	for ; o.waiting.Load() > 0; runtime.Gosched() {
		if ctx.Err() != nil {
			return fmt.Errorf("%d requests are left: %w", o.waiting.Load(), ctx.Err())
		}
	}
	return errors.Join(err, o.openFiles(), os.RemoveAll(o.folder))
}

// openFiles returns an error if this process has a file of the attacker open, on a system that tells.
func (o *outside) openFiles() error {
	all, _ := filepath.Glob("/proc/self/fd/*") // the pattern is valid
	for _, fd := range all {
		if path, err := os.Readlink(fd); err == nil && strings.HasPrefix(path, o.folder) {
			return fmt.Errorf("%s is open", path)
		}
	}
	return nil
}

const (
	byEscape    = "no path leads out"
	byFiles     = "quota.files"
	byFileBytes = "quota.files_bytes"
	byOpenFiles = "64 open files"
	byRequests  = "quota.http_requests"
	byRules     = "capabilities.http"
	bySecrets   = "secrets have owners"
)

// reaches returns attacks by files, requests of HTTP and secrets.
func reaches() []Attack {
	all := append(append(fileAttacks(), webAttacks()...), secretAttacks()...)
	for i := range all {
		all[i].Guest = func() []byte { return reacher }
		all[i].Reaches = true
	}
	return all
}

func answered(name, bound string, message []byte, check func(Counts) error) Attack {
	return Attack{Name: name, Bound: bound, Message: message, End: Answered, Check: check}
}

func ended(name, bound, message string) Attack {
	return Attack{Name: name, Bound: bound, Message: []byte(message), Kind: core.TrapFault}
}

func fileAttacks() []Attack {
	const quota = 19 // errno dquot
	return of("files",
		answered("paths and links that lead out", byEscape, []byte("l"), told(0, 0)),
		answered("directories until one is refused", byFiles, number('d', 0), told(uint32(fileQuota.Files), quota)),
		answered("directories in each other until one is refused", byFiles, number('d', 1), told(uint32(fileQuota.Files), quota)),
		answered("a file made longer until that is refused", byFileBytes, []byte("g"), told(uint32(fileQuota.Bytes), quota)),
		answered("files that it opens until one is refused", byOpenFiles, []byte("o"), told(host.MaxOpenFiles, quota)),
		ended("the same, and a trap", byOpenFiles, "O"),
		answered("places, sizes, times and descriptors out of range", "numbers are checked", []byte("n"), told(0, 0)),
		ended("streams that it opens for ever", byHandles, "ss"),
		inGuest("a file that it opens and closes for ever", 's', 'o'),
		inGuest("all of its memory written 64 times at once, for ever", 's', 'w'),
		inGuest("a read of 2^64−1 bytes, for ever", 's', 'a'),
		inGuest("a directory that it lists and changes for ever", 's', 'l'),
		violation("a path out of range", "", "vp"),
		violation("a path that is not UTF-8", "", "vu"),
		violation("an area for a file out of range", "", "va"),
		violation("a misaligned area for a file", "", "vm"),
		violation("a file that it has dropped", "", "vd"),
		violation("a file in place of its stream", "", "vs"),
		violation("its directories from cabi_realloc", "a", "e hello"),
	)
}

func webAttacks() []Attack {
	return of("HTTP out",
		answered("1,000 requests that it may not send", byRules, number('r', 1000), told(0, 1000)),
		answered("requests to a server that does not answer, until one is refused", byRequests, []byte("h"), told(sendQuota, uint32(core.HTTPConnectionLimitReached))),
		ended("the same, and a trap", byRequests, "H"),
		answered("bodies of requests until one is refused", "16 MiB of bodies", []byte("b"), told(16<<10, 0)),
		ended("requests that it makes for ever", byHandles, "sr"),
		inGuest("requests that it sends and drops for ever", 's', 'd'),
		inGuest("all of its memory as a request, for ever", 's', 'f'),
		violation("a request that it has dropped", "", "vh"),
		violation("a request that it has sent", "", "vt"),
		violation("a directory in place of options", "", "vo"),
		violation("an authority out of range", "", "vn"),
		violation("an unknown scheme", "", "vc"),
		violation("an area for a body out of range", "", "vb"),
		violation("a request out of range", "", "vf"),
	)
}

func secretAttacks() []Attack {
	shout := ended("its secret in a trap, in log lines and at each place of a long line of output", "secrets are replaced", "S")
	shout.Log = noSecret
	return of("secrets",
		answered("1,000 secrets that it does not have", bySecrets, number('k', 1000), told(0, 1000)),
		inGuest("its secret, for ever", 's', 'S'),
		inGuest("a key of 1 MiB, for ever", 's', 'k'),
		shout,
	)
}

// told checks the first two counts.
func told(first, second uint32) func(Counts) error {
	return func(c Counts) error {
		if c[0] != first || c[1] != second {
			return fmt.Errorf("got the counts %d and %d, want %d and %d", c[0], c[1], first, second)
		}
		return nil
	}
}

// noSecret checks that the log has no more of the attacker's secret than a few bytes.
func noSecret(lines []string) error {
	for _, line := range lines {
		for i := range len(attackersSecret) - core.MinRedacted + 1 {
			if part := string(attackersSecret[i : i+core.MinRedacted]); strings.Contains(line, part) {
				return fmt.Errorf("a line has the part %q of the secret: %.300q", part, line)
			}
		}
	}
	if len(lines) == 0 {
		return errors.New("there is no log")
	}
	return nil
}
