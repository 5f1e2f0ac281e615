package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
)

// DefaultSocket returns the path of the Unix socket on which the host of a configuration file
// listens, if the file names no other address: NAME.sock in the folder airhost below
// $XDG_RUNTIME_DIR, or, without that variable, in the folder of the file. NAME is the file's base
// name without .yaml or .yml, a minus sign, and the first eight hexadecimal digits of the SHA-256
// of its absolute path. Symbolic links are not resolved: two names of one file are two hosts.
func DefaultSocket(file string) string {
	if absolute, err := filepath.Abs(file); err == nil { // else there is no working directory
		file = absolute
	}
	sum := sha256.Sum256([]byte(file))
	base := filepath.Base(file)
	if IsFile(base) {
		base = strings.TrimSuffix(base, filepath.Ext(base))
	}
	name := base + "-" + hex.EncodeToString(sum[:4]) + ".sock"
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(runtime) {
		return filepath.Join(runtime, "airhost", name)
	}
	return filepath.Join(filepath.Dir(file), name)
}

// IsFile reports whether an argument of a command is a configuration file: it ends in .yaml or
// .yml.
func IsFile(argument string) bool {
	return strings.HasSuffix(argument, ".yaml") || strings.HasSuffix(argument, ".yml")
}
