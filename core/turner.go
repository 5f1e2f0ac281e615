package core

// Turner is an [Instance] whose guest sends messages on its own, while the host calls nothing of
// it: it has goroutines or threads of its own, and serves others than the host. The process
// engine has one.
//
// The rules of [Services] hold for it too. What the guest wants of the host between calls waits
// until the host gives the instance a turn, or until the next call.
type Turner interface {
	Instance

	// Turn is a call in which the guest uses the services as often as it wants to, within a
	// bound that the engine sets: other guests, and its own messages, wait until the end. If
	// more is left, the instance calls [Environment.Wanted] again. The host may call Turn at
	// any time between other calls, also if the guest wants nothing any more. CallFunction is
	// none of the services of a turn. An error is a [TrapError].
	Turn() error
}
