// Package pluginv1 is what hosts and plug-ins say to each other, version 1: the
// code generated from the .proto files beside it. Go programs use package plugin
// instead; docs/plugin-protocol.md is for all others.
package pluginv1
