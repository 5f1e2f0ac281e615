// Package hostile is a collection of attacks on the host. Each attack must fail in
// the way that it states. The tests run all of them; the command
// internal/hostile/measure measures their effect on a host and its components.
//
// One guest makes nearly all attacks: guest/attacker.c. Others attack by their grants:
// guest/hoarder.c by buckets, guest/reacher.c by files, requests and secrets. The first byte of a message
// selects the attack. Some attacks need code that no compiler generates, such as a
// jump table of 10,000 entries; forge.go writes that code into the guest's module.
//
// An [Arena] is a host with an innocent neighbour, on which attacks run. Attacks
// that concern one engine alone are in core/enginetest.
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
	Group string // the attacked resource or mechanism
	Name  string // a short description of the guest's actions
	Bound string // the bound that stops it: a configuration key or a rule

	Guest   func() []byte // returns the module; nil stands for [Guest]
	Config  string        // an attack for initialize to run; none if empty
	Arm     string        // a message that prepares the guest and is answered
	Message []byte        // the message that starts the attack
	By      Trigger
	Peer    string // its messages' receiver: "a" is itself, "b" another attacker

	End   End
	Kind  core.TrapKind              // for Trapped, NotStarted, Afterwards and RolledBack
	Limit string                     // for Refused: the key of the LimitError; if empty, any ModuleError will do
	Fails error                      // for Answered: the request's error, or nil
	Check func(Counts) error         // for Answered: checks that the attack had no effect
	After func(host.Snapshot) error  // checks the counters of a host that ran this attack only
	Tune  func(*host.Deployment)     // changes the deployment
	Log   func(lines []string) error // checks the host's log

	Reaches bool // the guest has a directory, a server and a secret
	Slow    bool // the attack takes seconds
}

// Trigger is the event that starts an attack.
type Trigger uint8

// The triggers.
const (
	ByRequest  Trigger = iota // a request with the attack's message
	ByLoad                    // the deployment of the guest
	ByHealth                  // the host asks for the guest's health
	ByShutdown                // the undeployment of the guest
	BySend                    // a fire-and-forget message
	ByReplace                 // the replacement of the guest; Config is the new version's alone
)

// End is how an attack must end.
type End uint8

// The expected ends of an attack.
const (
	Trapped    End = iota // the instance ends with a TrapError and is replaced
	NotStarted            // the deployment fails with a TrapError
	Refused               // the deployment fails with a ModuleError or LimitError
	Answered              // the attack ends without harm to any component
	GoesOn                // the attack continues within its quota until it is undeployed
	Afterwards            // the attack is answered; then the instance ends with a TrapError and is replaced
	RolledBack            // the replacement fails with a TrapError, and the old version answers
)

// ends are descriptions for tables.
var ends = [...]string{"stopped, instance replaced", "stopped, not deployed", "refused, not deployed", "over, without effect", "held to its quota until undeployed", "answered, then stopped, instance replaced", "stopped, not replaced"}

// String describes the end.
func (e End) String() string { return ends[e] }

// Attacks returns all attacks.
func Attacks() []Attack {
	var all []Attack
	for _, group := range [][]Attack{processor(), memory(), stack(), hostCalls(), violations(), advances(), handOvers(), messaging(), timers(), hostFunctions(), topics(), keyValue(), reaches(), load(), logs()} {
		all = append(all, group...)
	}
	return all
}

// Counts are the counters that the guest returns after an attack that it survives.
type Counts [8]uint32

func parseCounts(response []byte) (c Counts) {
	_, _ = binary.Decode(response, binary.LittleEndian, &c) // a shorter response leaves zeros
	return c
}

// number returns a message with an operation and a number.
func number(op byte, n uint32) []byte { return binary.LittleEndian.AppendUint32([]byte{op}, n) }

// verify checks how the deployment or the request of an attack ended.
func (a *Attack) verify(response []byte, err error) error {
	switch a.End {
	case Trapped:
		return want(err, core.ErrRequestTrapped)
	case NotStarted, RolledBack:
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
