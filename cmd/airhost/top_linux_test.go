package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pseudoTerminal opens a terminal of this size: the end that programs use, and that of the user.
func pseudoTerminal(t *testing.T, width, height uint16) (program, user *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal to be had: ", err)
	}
	t.Cleanup(func() { user.Close() })
	fd := int(user.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width})
	}
	if err == nil {
		program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skip("no terminal to be had: ", err)
	}
	t.Cleanup(func() { program.Close() })
	return program, user
}

// TestTopOnTerminal: top draws as wide as the terminal is, takes a key without Enter, and leaves
// the terminal as it was.
func TestTopOnTerminal(t *testing.T) {
	f := newFakeHost(t)
	program, user := pseudoTerminal(t, 70, 12)
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	code := make(chan int, 1)
	var stderr bytes.Buffer
	go func() { code <- run([]string{"top", f.file, "--sort", "name"}, program, program, &stderr) }()
	var seen strings.Builder
	buffer := make([]byte, 4096)
	for !strings.Contains(seen.String(), eraseBelow) {
		n, err := user.Read(buffer)
		if err != nil {
			t.Fatalf("%v after %q", err, seen.String())
		}
		seen.Write(buffer[:n])
	}
	if _, err := user.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	if got := <-code; got != exitDone || stderr.Len() > 0 {
		t.Errorf("exit code %d, %s", got, stderr.String())
	}
	_, picture, found := strings.Cut(seen.String(), otherScreen)
	if !found || !strings.Contains(picture, "shop/orders") || strings.Contains(picture, "LAST ERROR") {
		t.Errorf("got %q", seen.String())
	}
	after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is %+v, %v, it was %+v", after, err, before)
	}
}
