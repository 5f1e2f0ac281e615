package spawn

import (
	"fmt"
	"strconv"
	"strings"

	goplugin "github.com/hashicorp/go-plugin"
)

// Version is the version of the protocol in proto/airhost/plugin. Host and plug-in
// must have the same.
const Version = 1

// CookieKey is the environment variable with the kind that a plug-in was started as.
const CookieKey = "AIRHOST_PLUGIN"

// Handshake returns the values that host and plug-in must agree on: the kind of
// plug-in and the version.
func Handshake(kind string) goplugin.HandshakeConfig {
	return goplugin.HandshakeConfig{ProtocolVersion: Version, MagicCookieKey: CookieKey, MagicCookieValue: kind}
}

// checkHandshake checks the first line of a plug-in's output:
//
//	1|version|network|address|grpc|certificate
func checkHandshake(line string) error {
	fields := strings.Split(strings.TrimSpace(line), "|")
	switch {
	case len(fields) < 5 || fields[0] != strconv.Itoa(goplugin.CoreProtocolVersion):
		return fmt.Errorf("%w: its first line is %q", ErrHandshake, shorten(line))
	case fields[1] != strconv.Itoa(Version):
		return fmt.Errorf("%w: %q, this host has %d", ErrVersion, shorten(fields[1]), Version)
	case fields[4] != string(goplugin.ProtocolGRPC):
		return fmt.Errorf("%w: it speaks %q, not grpc", ErrHandshake, shorten(fields[4]))
	case len(fields) < 6 || len(fields[5]) <= 50:
		return fmt.Errorf("%w: its first line has no certificate", ErrHandshake)
	}
	return nil
}

// shorten shortens a text from a plug-in for an error.
func shorten(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
