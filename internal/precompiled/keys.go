package precompiled

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	privateBlock = "PRIVATE KEY" // PKCS #8, as openssl genpkey -algorithm ed25519 writes it
	publicBlock  = "PUBLIC KEY"  // PKIX, as openssl pkey -pubout writes it
	maxKey       = 64 << 10      // bytes of a key's file

	// Public is how the names of files with public keys end.
	Public = ".pub"
)

// LoadKey reads a private key. The file must belong to the user alone.
func LoadKey(path string) (ed25519.PrivateKey, error) {
	text, err := readKey(path, 0o077)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != privateBlock {
		return nil, fmt.Errorf("%s holds no private key in PEM: openssl genpkey -algorithm ed25519 makes one", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a key of another kind, want Ed25519: openssl genpkey -algorithm ed25519 makes one", path)
	}
	return key, nil
}

// CreateKey makes a private key where none is yet, and a file with its public key in the
// folder trusted, which is made if needed.
func CreateKey(path, trusted string) (ed25519.PrivateKey, error) {
	open, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(open)
	if err != nil {
		return nil, err
	}
	if err := create(path, 0o600, privateBlock, private); err != nil {
		return nil, err
	}
	return key, create(filepath.Join(trusted, "compile-"+Fingerprint(open)+Public), 0o644, publicBlock, public)
}

// create writes a file at once, under a name that no file has.
func create(path string, mode fs.FileMode, kind string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
	if err = errors.Join(err, file.Chmod(mode), file.Close()); err != nil {
		return err
	}
	return os.Link(file.Name(), path)
}

// Trusted reads the public keys of folders, in files that end in .pub. A folder need not be
// there. Files that others can write to are left out, and told in the error.
func Trusted(folders ...string) (keys []ed25519.PublicKey, err error) {
	for _, folder := range folders {
		paths, _ := filepath.Glob(filepath.Join(escape(folder), "*"+Public))
		for _, path := range paths {
			key, wrong := publicKey(folder, path)
			if wrong != nil {
				err = errors.Join(err, wrong)
				continue
			}
			keys = append(keys, key)
		}
	}
	return keys, err
}

// escape makes a pattern that matches the folder alone.
func escape(folder string) string {
	var pattern bytes.Buffer
	for i := range len(folder) {
		if slices.Contains([]byte(`*?[\`), folder[i]) && os.PathSeparator != '\\' {
			pattern.WriteByte('\\')
		}
		pattern.WriteByte(folder[i])
	}
	return pattern.String()
}

func publicKey(folder, path string) (ed25519.PublicKey, error) {
	info, err := os.Stat(folder)
	if err == nil {
		err = CheckOwner(info, 0o022)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not used: %w", folder, err)
	}
	text, err := readKey(path, 0o022)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != publicBlock {
		return nil, fmt.Errorf("%s holds no public key in PEM: openssl pkey -pubout writes one", path)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a key of another kind, want Ed25519", path)
	}
	return key, nil
}

// readKey reads a file that other users have none of these permissions for.
func readKey(path string, none fs.FileMode) ([]byte, error) {
	file, info, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	err = CheckOwner(info, none)
	if err == nil && info.Size() > maxKey {
		err = fmt.Errorf("it has %d bytes, a key has fewer", info.Size())
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not used: %w", path, err)
	}
	text := make([]byte, info.Size())
	if _, err := file.ReadAt(text, 0); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// Fingerprint is a short name of a key.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return fmt.Sprintf("%x", sum[:8])
}
