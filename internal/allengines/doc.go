// Package allengines has only tests: of a host with each of the engines in turn, which
// must behave the same. They are not core/host's own because of the modules that some
// engines need: `go mod tidy` of a program downloads the modules that the tests of its
// packages import.
package allengines
