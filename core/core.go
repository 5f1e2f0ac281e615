// Package core is the vocabulary of airhost: the identifiers, messages and
// errors that cross its boundaries, and the three interfaces behind which its
// parts can be swapped. An [Engine] turns a guest's code into running
// instances, a [Broker] carries messages to the host that has their target, and
// a [Tracker] remembers the requests that still wait for their outcome.
//
// Both message patterns are always called fire-and-forget and request-response.
// The guest's side of them is fixed by wit/airhost.wit; this package is the
// host's side, and imports nothing but the standard library.
package core
