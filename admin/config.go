package admin

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// Config are the settings of a server. Host is needed; each other field may be left out.
type Config struct {
	Host *host.Host
	// Manager makes changes. Without one components can be restarted and removed, and no
	// configuration can be applied.
	Manager Manager
	// Draining returns [HostDraining] or [HostDrained], and "" for a host that takes components of others
	// as usual. It does not block. Without it the host does.
	Draining func() string
	// Log has the lines and the levels of the program's log.
	Log *Log
	// Metrics answers GET /metrics.
	Metrics http.Handler
	// KeyValue is the host's key-value store, or nil.
	KeyValue KeyValueStore
	// Name, File and Version describe the program.
	Name, File, Version string
	// Listen is the path of a Unix socket, or host:port.
	Listen string
	// Token is needed for host:port: clients must show it. At least [MinToken] characters.
	Token string

	MaxConnections  int           // at the same time, 256 by default; more get 503
	MaxStreams      int           // at the same time, 64 by default
	MaxRequests     int           // messages in progress, 64 by default; also changes in progress, beside them
	MaxMessage      int           // bytes of a message, 64 MiB by default and at most
	MaxMessageBytes int           // of all messages in progress, 256 MiB by default
	ReadTimeout     time.Duration // for a whole request to come, 1 minute by default
	WriteTimeout    time.Duration // for a client to take a megabyte of a response, or entries of a stream; 10 s by default
	Heartbeat       time.Duration // after which a stream in which nothing happens says that it lives, 15 s by default

	// Logger gets requests that change something, and failures; slog.Default() if nil.
	Logger *slog.Logger
}

// MinToken is the least length of a token, in bytes.
const MinToken = 16

// largestMessage is the largest value of Config.MaxMessage.
const largestMessage = 64 << 20

// normalize checks the settings, and sets those that were left out.
func (c *Config) normalize() error {
	if c.Host == nil {
		return errors.New("a server needs a host")
	}
	err := cmp.Or(
		core.CheckCount("max_connections", int64(c.MaxConnections), 1, 1e6),
		core.CheckCount("max_streams", int64(c.MaxStreams), 1, 1e6),
		core.CheckCount("max_requests", int64(c.MaxRequests), 1, 1e6),
		core.CheckCount("max_message", int64(c.MaxMessage), 1, largestMessage),
		core.CheckCount("max_message_bytes", int64(c.MaxMessageBytes), 1, 1<<40),
		core.CheckTime("read_timeout", c.ReadTimeout, time.Millisecond, time.Hour),
		core.CheckTime("write_timeout", c.WriteTimeout, time.Millisecond, time.Hour),
		core.CheckTime("heartbeat", c.Heartbeat, time.Millisecond, time.Hour),
	)
	c.MaxConnections, c.MaxStreams, c.MaxRequests = cmp.Or(c.MaxConnections, 256), cmp.Or(c.MaxStreams, 64), cmp.Or(c.MaxRequests, 64)
	c.MaxMessage, c.MaxMessageBytes = cmp.Or(c.MaxMessage, largestMessage), cmp.Or(c.MaxMessageBytes, 4*largestMessage)
	c.ReadTimeout, c.WriteTimeout = cmp.Or(c.ReadTimeout, time.Minute), cmp.Or(c.WriteTimeout, 10*time.Second)
	c.Heartbeat, c.Logger = cmp.Or(c.Heartbeat, 15*time.Second), cmp.Or(c.Logger, slog.Default())
	return err
}

// ReadToken reads a file with a token: one line of at least [MinToken] characters without
// spaces. The file should be readable by its owner alone.
func ReadToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	switch {
	case len(token) < MinToken:
		return "", fmt.Errorf("%s: the token has %d characters, want at least %d: head -c 32 /dev/urandom | base64 > %s", path, len(token), MinToken, path)
	case !visible(token):
		return "", fmt.Errorf("%s: the token must be one word of visible ASCII characters", path)
	}
	return token, nil
}

// visible reports whether a token can be sent in a header.
func visible(token string) bool {
	return strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
