package nats

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	natsgo "github.com/nats-io/nats.go"
)

// keyError is a refusal that one of the keys of host.nats is to blame for.
type keyError struct {
	error
	advice string
}

func (e *keyError) Error() string { return e.error.Error() + ": " + e.advice }
func (e *keyError) Unwrap() error { return e.error }

// staysWrong reports whether another try is of no use.
func staysWrong(err error) bool { return errors.As(err, new(*keyError)) }

// explained adds to the reason why a server and this host do not trust each other the key that is to
// blame, and its file.
func (c Config) explained(err error) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var remote *net.OpError
	advice := ""
	switch {
	case err == nil:
		return nil
	case isRefusal(err):
		advice = "the server does not take " + c.identity()
	case errors.As(err, &unknown) && c.CA == "":
		advice = "the system's CAs do not vouch for the server's certificate; host.nats.tls.ca names a file with others"
	case errors.As(err, &unknown):
		advice = fmt.Sprintf("%s (host.nats.tls.ca) does not vouch for the server's certificate", c.CA)
	case errors.As(err, &name):
		advice = "host.nats.url must have a name or an address that the server's certificate is for"
	case errors.As(err, &invalid):
		advice = "it is the server's certificate"
	case errors.Is(err, natsgo.ErrSecureConnRequired):
		advice = "the server wants TLS: begin host.nats.url with tls://, and set host.nats.tls.ca if the system does not know its CA"
	case errors.Is(err, natsgo.ErrSecureConnWanted):
		advice = "the server has no TLS: host.nats.tls and tls:// are for servers that have it"
	case !(errors.As(err, &remote) && remote.Op == "remote error") && !strings.Contains(err.Error(), "closed by remote after TLS handshake"):
		return err // it is no alert of TLS
	case c.Certificate == "":
		advice = "the server wants a certificate: set host.nats.tls.certificate and key"
	default:
		advice = fmt.Sprintf("the server does not take %s (host.nats.tls.certificate)", c.Certificate)
	}
	return &keyError{err, advice}
}

// isRefusal reports whether a server has refused the user.
func isRefusal(err error) bool {
	return errors.Is(err, natsgo.ErrAuthorization) || errors.Is(err, natsgo.ErrAuthExpired) || errors.Is(err, natsgo.ErrAuthRevoked) || errors.Is(err, natsgo.ErrAccountAuthExpired)
}

// identity is that by which this host proves to servers that it may connect, without secrets.
func (c Config) identity() string {
	switch {
	case c.Credentials != "":
		return "the user of " + c.Credentials + " (host.nats.credentials)"
	case c.NKey != "":
		return "the nkey of " + c.NKey + " (host.nats.nkey)"
	case strings.Contains(c.URL, "@"):
		return "the name and password, or the token, of host.nats.url"
	case c.Certificate != "":
		return "the user of " + c.Certificate + " (host.nats.tls.certificate)"
	}
	return "a host without a password: host.nats.url may have one, and host.nats.credentials or host.nats.nkey name a file"
}
