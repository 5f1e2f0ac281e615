package config

import (
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
)

// AdminOff is the value of host.admin of a host without the admin API.
const AdminOff = "off"

// Admin is where the host of a file listens for its admin API.
type Admin struct {
	// Address is AdminOff, the path of a socket, host:port, or empty for the default.
	Address string
	// TokenFile is the path of the file with the token; empty without one.
	TokenFile string
}

// LoadAdmin reads host.admin and host.admin_token_file of the file at path, and nothing else of
// it: the host of a file is found also after other keys have got mistakes. Paths are joined to the
// folder of the file. An error is of type [Mistakes].
func LoadAdmin(path string) (Admin, error) {
	text, err := read(path)
	if err != nil {
		return Admin{}, Mistakes{{File: path, Text: reason(err)}}
	}
	d := &decoder{file: &File{name: path, marks: map[string]place{}}}
	if d.parse(text) == nil {
		return Admin{}, d.mistakes.Sorted()
	}
	var f struct {
		Host struct {
			Admin     string `yaml:"admin"`
			TokenFile string `yaml:"admin_token_file"`
		} `yaml:"host"`
	}
	if err := yaml.Unmarshal(lineEnds(text), &f); err != nil {
		return Admin{}, Mistakes{{File: path, Text: "host.admin and host.admin_token_file cannot be read, airhost check shows the mistakes of the file"}}
	}
	return Admin{Address: beside(path, f.Host.Admin), TokenFile: beside(path, f.Host.TokenFile)}, nil
}

// beside joins a value that is a relative path to the folder of the file.
func beside(file, value string) string {
	if value == "" || value == AdminOff || filepath.IsAbs(value) || isTCP(value) {
		return value
	}
	return filepath.Join(filepath.Dir(file), filepath.FromSlash(value))
}

// isTCP reports whether an address is host:port and no path, as admin.IsSocket tells them apart.
func isTCP(address string) bool {
	return strings.Contains(address, ":") && !strings.ContainsAny(address, `/\`)
}
