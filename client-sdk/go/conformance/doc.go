// Package conformance drives the Go SDK through the scenarios of integration/conformance, in virtual time. It is a module of its own
// because of the YAML.
package conformance
