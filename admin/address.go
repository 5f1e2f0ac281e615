package admin

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
)

// DefaultSocket returns the path of the socket on which a host listens that runs a configuration
// file: in $XDG_RUNTIME_DIR/airhost, or else beside the file. Its name is the file's base name,
// "-", and the first eight hexadecimal digits of the SHA-256 of the file's absolute path, in
// which symbolic links are not resolved.
func DefaultSocket(file string) (string, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(path))
	name := fmt.Sprintf("%s-%x.sock", filepath.Base(path), sum[:4])
	if folder := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(folder) {
		return filepath.Join(folder, "airhost", name), nil
	}
	return filepath.Join(filepath.Dir(path), name), nil
}
