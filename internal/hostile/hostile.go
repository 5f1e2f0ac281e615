// Package hostile is a collection of attacks on the host, each of which has to
// fail in the way that it says: the tests run all of them, and the command
// internal/hostile/measure measures what they do to a host and its components.
//
// Nearly all attacks are made by one guest, which does what the first byte of a
// message tells it to (guest/attacker.c). What no compiler writes, such as a jump
// table of 10,000 entries, is put into that guest's code by forging it.
//
// An [Arena] is a host with an innocent neighbour on which attacks are run. What
// an engine must do by itself is not here but in core/enginetest.
package hostile

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/airhost/airhost/core"
	"github.com/airhost/airhost/core/host"
)

// Attack is one attempt to crash, hang, starve, fool or read the host.
type Attack struct {
	Group string // what is attacked
	Name  string // what the guest does, in a few words
	Bound string // what it fails at: a key of the configuration, or a rule

	Guest   func() []byte // its module; nil is [Guest]
	Config  string        // what initialize is told to do; empty is nothing
	Arm     string        // a message that is answered and makes the guest ready
	Message []byte        // the message that attacks
	By      Trigger
	Peer    string // to which it sends: "a" is itself, "b" another of its kind

	End   End
	Kind  core.TrapKind              // of Trapped and of NotStarted
	Limit string                     // of Refused: the key of a LimitError; empty is any ModuleError
	Fails error                      // of Answered: what the request fails with, if not nil
	Check func(Counts) error         // of Answered: whether the guest got nowhere
	After func(host.Snapshot) error  // whether the host counted right, from a fresh start
	Tune  func(*host.Deployment)     // changes what the arena deploys
	Log   func(lines []string) error // whether the log shows what it should

	Slow bool // takes seconds
}

// Trigger is what begins an attack.
type Trigger uint8

// The triggers.
const (
	ByRequest  Trigger = iota // a request with the attack's message
	ByLoad                    // the deployment itself
	ByHealth                  // the host asks for the guest's health
	ByShutdown                // the undeployment
	BySend                    // a fire-and-forget message
)

// End is how an attack must end.
type End uint8

// The ends.
const (
	Trapped    End = iota // the instance ends with a TrapError and is replaced
	NotStarted            // the deployment fails with a TrapError
	Refused               // the deployment fails with a ModuleError or LimitError
	Answered              // it is over, and has harmed nobody
	GoesOn                // it goes on within its quota until it is undeployed
)

// ends are for tables.
var ends = [...]string{"stopped, instance replaced", "stopped, not deployed", "refused, not deployed", "over, without effect", "held to its quota until undeployed"}

// String describes how it ends.
func (e End) String() string { return ends[e] }

// Attacks returns all attacks.
func Attacks() []Attack {
	var all []Attack
	for _, group := range [][]Attack{processor(), memory(), stack(), hostCalls(), violations(), messaging(), load(), logs()} {
		all = append(all, group...)
	}
	return all
}

// Counts are what the guest says at the end of an attack that it survives.
type Counts [8]uint32

func parseCounts(response []byte) (c Counts) {
	_, _ = binary.Decode(response, binary.LittleEndian, &c) // a shorter answer counts nothing
	return c
}

// number is a message of an operation with a number.
func number(op byte, n uint32) []byte { return binary.LittleEndian.AppendUint32([]byte{op}, n) }

// verify checks how the deployment or the request of an attack ended.
func (a *Attack) verify(response []byte, err error) error {
	switch a.End {
	case Trapped:
		return want(err, core.ErrRequestTrapped)
	case NotStarted:
		return a.verifyTrap(err)
	case Refused:
		return a.verifyRefusal(err)
	}
	if a.Fails != nil || err != nil {
		return want(err, a.Fails)
	}
	if a.Check == nil {
		return nil
	}
	return a.Check(parseCounts(response))
}

func want(got, want error) error {
	if !errors.Is(got, want) || got != nil && want == nil {
		return fmt.Errorf("got error %v, want %v", got, want)
	}
	return nil
}

func (a *Attack) verifyTrap(err error) error {
	var trap *core.TrapError
	if !errors.As(err, &trap) || trap.Kind != a.Kind {
		return fmt.Errorf("got error %v, want a TrapError of kind %v", err, a.Kind)
	}
	return nil
}

func (a *Attack) verifyRefusal(err error) error {
	var module *core.ModuleError
	if !errors.As(err, &module) {
		return fmt.Errorf("got error %v, want a ModuleError", err)
	}
	var limit *core.LimitError
	if a.Limit != "" && (!errors.As(err, &limit) || limit.Limit != a.Limit) {
		return fmt.Errorf("got error %v, want a LimitError of %s", err, a.Limit)
	}
	return nil
}
