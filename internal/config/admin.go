package config

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// AdminOff is the value of host.admin of a host without an admin API.
const AdminOff = "off"

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
	if h.Admin != "" && h.Admin != AdminOff && isPath(h.Admin) {
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

// Admin is where the host of a file listens for its admin API.
type Admin struct {
	// Address is off, the path of a socket, host:port, or empty for the default.
	Address string
	// TokenFile is the path of the file with the token; empty without one.
	TokenFile string
}

// LoadAdmin reads host.admin and host.admin_token_file of the file at path. Mistakes in other keys
// are none here: the host of a file is found also while the file is being changed. Paths are joined
// to the folder of the file. An error is of type [Mistakes].
func LoadAdmin(path string, built Built) (Admin, error) {
	data, err := read(path)
	if err != nil {
		return Admin{}, Mistakes{{File: path, Text: reason(err)}}
	}
	d := &decoder{built: built}
	f := d.one(&text{name: path, folder: filepath.Dir(path)}, data)
	if f == nil {
		return Admin{}, d.mistakes.Sorted()
	}
	var mistakes Mistakes
	for _, m := range d.mistakes {
		if strings.HasPrefix(m.Path, "host.admin") {
			mistakes = append(mistakes, m)
		}
	}
	if err := mistakes.Sorted(); err != nil {
		return Admin{}, err
	}
	_ = f.Host.locateAdmin(f) // a token's file that is missing is met when it is read
	return Admin{f.Host.Admin, f.Host.AdminTokenFile}, nil
}
