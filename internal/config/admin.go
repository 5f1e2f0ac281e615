package config

import (
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// adminOff is the value of host.admin of a host without the admin API.
const adminOff = "off"

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
	text, err := read(path)
	if err != nil {
		return Admin{}, Mistakes{{File: path, Text: reason(err)}}
	}
	d := newDecoder(path, built)
	root := d.parse(text)
	if root == nil {
		return Admin{}, d.mistakes.Sorted()
	}
	ast.Walk(d, root)
	d.value("", root, reflect.ValueOf(d.file).Elem(), rules{})
	var mistakes Mistakes
	for _, m := range d.mistakes {
		if strings.HasPrefix(m.Path, "host.admin") {
			mistakes = append(mistakes, m)
		}
	}
	if err := mistakes.Sorted(); err != nil {
		return Admin{}, err
	}
	found := Admin{d.file.Host.Admin, d.file.Host.AdminTokenFile}
	folder := filepath.Dir(path)
	if found.Address != "" && found.Address != adminOff && isPath(found.Address) {
		found.Address = within(folder, found.Address)
	}
	if found.TokenFile != "" {
		found.TokenFile = within(folder, found.TokenFile)
	}
	return found, nil
}
