package spawn

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// Check returns an error unless path is an executable file with this SHA-256. It
// does not check an empty sum.
func Check(path string, sum []byte) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no such file", path)
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s: a folder, not an executable file", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: not a regular file", path)
	case info.Mode()&0o111 == 0 && runtime.GOOS != "windows":
		return fmt.Errorf("%s: not executable (chmod +x makes it so)", path)
	case len(sum) == 0:
		return nil
	}
	return checkSum(path, sum)
}

func checkSum(path string, want []byte) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return err
	}
	if got := hash.Sum(nil); !bytes.Equal(got, want) {
		return fmt.Errorf("%s: %w: got %x, want %x", path, ErrChecksum, got, want)
	}
	return nil
}

// launchError explains why the system could not start the executable at path, which
// Check has accepted.
func launchError(path string, err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	head := headOf(path)
	interpreter, isScript := interpreterOf(head)
	switch {
	case isExhausted(err):
		return fmt.Errorf("%w: the system starts no further process: %w", ErrEnvironment, err)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%w: %s", err, formatOf(head))
	case errors.Is(err, fs.ErrNotExist) && isScript:
		return fmt.Errorf("its first line names the interpreter %q: %w", interpreter, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the loader that it needs is missing; a static build needs none: %w", err)
	case errors.Is(err, fs.ErrPermission) && onNoexec(path):
		return fmt.Errorf("its file system is mounted with noexec: %w", err)
	case errors.Is(err, fs.ErrPermission) && isScript:
		return fmt.Errorf("the host's user may not execute it, or its interpreter %q: %w", interpreter, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the host's user may not execute it: %w", err)
	}
	return err
}

// headOf returns the first bytes of a file; nothing if it cannot be read.
func headOf(path string) []byte {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	head := make([]byte, 256)
	n, _ := io.ReadFull(file, head) // the file may be shorter
	return head[:n]
}

// interpreterOf returns the interpreter in the first line of a script.
func interpreterOf(head []byte) (interpreter string, isScript bool) {
	line, isScript := bytes.CutPrefix(head, []byte("#!"))
	line, _, _ = bytes.Cut(line, []byte("\n"))
	if fields := strings.Split(strings.Trim(string(line), " \t"), " "); isScript {
		return fields[0], true
	}
	return "", false
}

// machines are the ELF numbers of the most common processors.
var machines = map[uint16]string{3: "386", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64", 22: "s390x", 21: "ppc64", 258: "loong64"}

// formatOf describes a file that the system cannot execute, by its first bytes.
func formatOf(head []byte) string {
	here := runtime.GOOS + "/" + runtime.GOARCH
	switch {
	case len(head) == 0:
		return "it is empty"
	case bytes.HasPrefix(head, []byte("\x7fELF")) && len(head) >= 20:
		var order binary.ByteOrder = binary.LittleEndian
		if head[5] == 2 {
			order = binary.BigEndian
		}
		machine := order.Uint16(head[18:])
		if name, known := machines[machine]; known && name != runtime.GOARCH {
			return fmt.Sprintf("it is built for %s, and this is %s", name, here)
		}
		return fmt.Sprintf("it is a damaged ELF file, or not one for %s (its machine is %d)", here, machine)
	case bytes.HasPrefix(head, []byte("\x00asm")):
		return "it is WebAssembly, which the engines wazero and wasmtime run"
	case bytes.HasPrefix(head, []byte("MZ")):
		return "it is built for Windows, and this is " + here
	case bytes.HasPrefix(head, []byte("\xcf\xfa\xed\xfe")), bytes.HasPrefix(head, []byte("\xca\xfe\xba\xbe")):
		return "it is built for macOS, or is Java, and this is " + here
	}
	return "it is no program for " + here + "; a script begins with a line such as #!/bin/sh"
}
