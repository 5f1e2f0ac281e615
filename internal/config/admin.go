package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// adminOff is the address of an admin API that is not there.
const adminOff = "off"

// isPath reports whether an address is the path of a socket, not host:port.
func isPath(address string) bool {
	return strings.ContainsAny(address, `/\`) || !strings.Contains(address, ":")
}

// admin notes an address of the admin API that is none, and one that needs a token.
func (d *decoder) admin(h *Host) {
	const path = "host.admin"
	if h.Admin == "" || isPath(h.Admin) || d.wrong(path) {
		return
	}
	_, port, err := net.SplitHostPort(h.Admin)
	if _, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil {
		d.at(path, "%q: want the path of a socket, off, or host:port, such as 127.0.0.1:7070", clip(h.Admin))
		return
	}
	if h.AdminTokenFile == "" && !d.file.given("host.admin_token_file") {
		d.at(path, "%s needs a token: set host.admin_token_file, or use the path of a socket", clip(h.Admin))
	}
}

// locateAdmin joins the paths of the admin API to the file's folder. It returns a mistake if the
// file of the token does not exist.
func (h *Host) locateAdmin(f *File) Mistakes {
	if h.Admin != "" && h.Admin != adminOff && isPath(h.Admin) {
		h.Admin = f.path(h.Admin)
	}
	if h.AdminTokenFile == "" {
		return nil
	}
	h.AdminTokenFile = f.path(h.AdminTokenFile)
	if err := readable(h.AdminTokenFile); err != nil {
		return Mistakes{f.Mistake("host.admin_token_file", fmt.Sprintf("%s: %s", h.AdminTokenFile, reason(err)))}
	}
	return nil
}
