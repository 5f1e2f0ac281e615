package config

import (
	"net"
	"net/url"
	"strings"
)

// embedded notes the faults of the server in the host's process, which listens at the address of
// host.nats.url, and has the keys of the host.
func (d *decoder) embedded(n *NATS) {
	const path = "host.nats"
	if !n.Embedded {
		if d.file.given(path + ".store") {
			d.at(path+".store", "is for a host with a server in its process: set embedded: true, or leave it out")
		}
		return
	}
	if d.built.NATSServer != "" {
		d.at(path+".embedded", "there is no NATS server in this airhost: %s", d.built.NATSServer)
	}
	if n.Store == "" && !d.wrong(path+".store") {
		d.at(path+".embedded", "needs a folder for what the server keeps: set store")
	}
	if n.Credentials != "" {
		d.at(path+".credentials", "are for servers with an operator, which the embedded one has not: give url a name and a password, or use nkey")
	}
	if n.TLS.CA != "" && n.TLS.Certificate == "" && !d.wrong(path+".tls.certificate") {
		d.at(path+".tls.ca", "needs a certificate and its key, which the embedded server shows")
	}
	if n.URL != "" && !d.wrong(path+".url") && serverURLs(n.URL) {
		if wrong := n.listens(); wrong != "" {
			d.at(path+".url", "%s", wrong) // without the value, which may have a password
		}
	}
}

// listens returns why the embedded server cannot listen at the address, or "".
func (n *NATS) listens() string {
	if strings.Contains(n.URL, ",") {
		return "has several servers, and the embedded one is a single one: keep its address"
	}
	u, err := url.Parse(strings.TrimSpace(n.URL))
	switch ip := net.ParseIP(hostOf(u)); {
	case err != nil:
		return errURL.Error()
	case u.Scheme == "ws" || u.Scheme == "wss":
		return "is one of WebSockets, at which the embedded server does not listen: begin it with nats:// or tls://"
	case u.Scheme == "tls" && n.TLS.Certificate == "":
		return "is one of TLS, for which the embedded server needs tls.certificate and tls.key"
	case u.Port() == "0":
		return "needs the port at which the embedded server listens: other hosts must know it"
	case u.User != nil && n.NKey != "":
		return "has a name or a token beside nkey: keep one of the two for the embedded server"
	case hostOf(u) == "localhost" || ip.IsLoopback() || u.User != nil || n.NKey != "" || n.TLS.CA != "":
		return ""
	}
	return "can be reached from other machines, and anybody there could join the cluster: give it a name and a password, or set nkey, or tls with ca"
}

func hostOf(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.Hostname()
}

// Listens returns host:port of the embedded server, and the name and the password, or the token alone, by
// which its clients are known.
func (n *NATS) Listens() (address, name, password string) {
	u, err := url.Parse(strings.TrimSpace(n.URL))
	if n.URL == "" || err != nil { // a file with another one has been refused
		return "127.0.0.1:4222", "", ""
	}
	port := u.Port()
	if port == "" {
		port = "4222"
	}
	password, _ = u.User.Password()
	return net.JoinHostPort(u.Hostname(), port), u.User.Username(), password
}
