// Package nemesis has only tests: of three hosts and three NATS servers, each a process of its
// own, to which all that can go wrong happens while they have load. Checkers read afterwards, in
// what the hosts have written down, if the promises of docs/clusters.md were kept.
package nemesis
