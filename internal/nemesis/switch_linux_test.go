package nemesis

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// packetSwitch joins network namespaces, one for each process, by a switch within the test: each
// has one device (TUN), and all packets pass the test, which drops them or holds them up. Of the
// system it needs neither qdiscs nor filters. The namespaces and the disks end with the test,
// however it ends: nothing but this process and its children holds them.
type packetSwitch struct {
	*links
	directory string
	work      chan func() // for the thread that starts processes
	ports     map[string]*port
}

// port is the namespace of a process.
type port struct {
	name    string
	device  *os.File
	space   int // a descriptor of it
	address string
}

const (
	diskSize = 48 << 20
	packet   = 1500
)

func newSwitch(directory string, seed uint64) (*packetSwitch, error) {
	s := &packetSwitch{links: newLinks(seed), directory: directory, work: make(chan func()), ports: map[string]*port{}}
	if os.Getuid() != 0 {
		return nil, errors.New("it is not root")
	}
	go func() { // the thread lives as long as the processes, which are killed when it ends
		runtime.LockOSThread()
		for do := range s.work {
			do()
		}
	}()
	if err := s.inside(s.build); err != nil {
		s.close()
		return nil, err
	}
	for _, p := range s.ports {
		go s.pass(p)
	}
	return s, nil
}

// inside implements [network]: it runs do on the thread that has the disks.
func (s *packetSwitch) inside(do func() error) error {
	done := make(chan error)
	s.work <- func() { done <- do() }
	return <-done
}

// build makes the namespaces and the disks. It leaves the thread in the namespace of the test.
func (s *packetSwitch) build() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("it gets no mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("its mounts are not its own: %w", err)
	}
	for _, name := range serverNames {
		at := storeOf(s.directory, name)
		if err := os.MkdirAll(at, 0o700); err != nil {
			return err
		}
		if err := unix.Mount("nemesis", at, "tmpfs", 0, fmt.Sprintf("size=%d", diskSize)); err != nil {
			return fmt.Errorf("it gets no disk: %w", err)
		}
	}
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(home)
	for i, name := range slices.Concat(serverNames, hostNames) {
		p := &port{name: name, address: fmt.Sprintf("10.77.0.%d", i+1)}
		if err := p.open(); err != nil {
			return errors.Join(err, unix.Setns(home, unix.CLONE_NEWNET))
		}
		s.ports[name] = p
	}
	return unix.Setns(home, unix.CLONE_NEWNET)
}

// open makes a namespace with a device, and puts the thread into it.
func (p *port) open() (err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("it gets no network namespace: %w", err)
	}
	if p.space, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	tun, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq("net0")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(tun, unix.TUNSETIFF, request); err != nil {
		return fmt.Errorf("it gets no device: %w", err)
	}
	p.device = os.NewFile(uintptr(tun), "net0 of "+p.name)
	for _, words := range [][]string{
		{"link", "set", "lo", "up"}, {"address", "add", p.address + "/24", "dev", "net0"},
		{"link", "set", "net0", "mtu", fmt.Sprint(packet), "up"},
	} {
		if out, err := exec.Command("ip", words...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %q: %w: %s", words, err, out)
		}
	}
	return nil
}

// pass passes on the packets that come from a port, until its device is closed.
func (s *packetSwitch) pass(from *port) {
	byNumber := map[byte]*port{}
	for i, name := range slices.Concat(serverNames, hostNames) {
		byNumber[byte(i+1)] = s.ports[name]
	}
	buffer := make([]byte, packet+64)
	for {
		n, err := from.device.Read(buffer)
		if err != nil {
			return
		}
		if n < 20 || buffer[0]>>4 != 4 {
			continue // not IPv4
		}
		to := byNumber[buffer[19]]
		if to == nil {
			continue
		}
		wait, passes, _, _ := s.wait(from.name, to.name)
		switch {
		case !passes:
		case wait == 0:
			_, _ = to.device.Write(buffer[:n]) // a packet may be lost
		default:
			copied := slices.Clone(buffer[:n])
			time.AfterFunc(wait, func() { _, _ = to.device.Write(copied) })
		}
	}
}

// start implements [network].
func (s *packetSwitch) start(name string, command *exec.Cmd) error {
	command.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	return s.inside(func() error {
		home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(home)
		if err := unix.Setns(s.ports[name].space, unix.CLONE_NEWNET); err != nil {
			return err
		}
		err = command.Start()
		return errors.Join(err, unix.Setns(home, unix.CLONE_NEWNET))
	})
}

func (s *packetSwitch) listen(server string) (host string, client, route int) {
	return s.ports[server].address, 4222, 6222
}

func (s *packetSwitch) reach(_, server string) (client, route string) {
	at := s.ports[server].address
	return "nats://" + at + ":4222", "nats://" + at + ":6222"
}

func (s *packetSwitch) store(server string) (string, int64) {
	return storeOf(s.directory, server), diskSize
}

func (s *packetSwitch) close() {
	_ = s.inside(func() error {
		for _, p := range s.ports {
			_ = p.device.Close()
			_ = unix.Close(p.space)
		}
		for _, name := range serverNames {
			_ = unix.Unmount(storeOf(s.directory, name), unix.MNT_DETACH) // it may not be there
		}
		return nil
	})
	close(s.work)
}
