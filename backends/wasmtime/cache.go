//go:build cgo && (linux || darwin) && (amd64 || arm64)

package wasmtime

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime/debug"

	wasmtime "github.com/bytecodealliance/wasmtime-go/v39"
)

// cache keeps compiled code in a directory. A file's name is the hash of what
// the code was made from; its first 32 bytes are the hash of the rest. A file
// that is damaged, or that another version has left, is compiled anew.
type cache struct {
	dir  string
	salt string
}

// configuration changes when what [engineConfig] sets does.
const configuration = "epochs unmoved memory stack=1MiB tail-calls no: threads relaxed-simd multi-memory memory64 function-references gc exceptions"

func openCache(dir string) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &cache{dir: dir, salt: "airhost wasmtime\x00" + version() + "\x00" + configuration + "\x00"}, nil
}

// version is wasmtime-go's.
func version() string {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, module := range info.Deps {
			if module.Path == "github.com/bytecodealliance/wasmtime-go/v39" {
				return module.Version
			}
		}
	}
	return "v39"
}

func (c *cache) path(binary []byte) string {
	hash := sha256.New()
	hash.Write([]byte(c.salt))
	hash.Write(binary)
	return filepath.Join(c.dir, hex.EncodeToString(hash.Sum(nil))+".cwasm")
}

// load returns the module that was compiled of binary, or nil.
func (c *cache) load(engine *wasmtime.Engine, binary []byte) *wasmtime.Module {
	file, err := os.ReadFile(c.path(binary))
	if err != nil || len(file) < sha256.Size {
		return nil
	}
	sum, code := file[:sha256.Size], file[sha256.Size:]
	if actual := sha256.Sum256(code); !bytes.Equal(sum, actual[:]) {
		return nil
	}
	module, err := wasmtime.NewModuleDeserialize(engine, code)
	if err != nil { // of another version or processor; Wasmtime checks both
		return nil
	}
	return module
}

// store keeps a module. Where that fails it is compiled again the next time.
func (c *cache) store(binary []byte, module *wasmtime.Module) {
	code, err := module.Serialize()
	if err != nil {
		return
	}
	sum := sha256.Sum256(code)
	file, err := os.CreateTemp(c.dir, "new-*")
	if err != nil {
		return
	}
	_, err = file.Write(append(sum[:], code...))
	if err2 := file.Close(); err == nil {
		err = err2
	}
	if err != nil || os.Rename(file.Name(), c.path(binary)) != nil { // in one step, for others that read
		os.Remove(file.Name())
	}
}
