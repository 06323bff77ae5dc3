//go:build !go1.25

package goruntime

// defaultProcs: before Go 1.25 the runtime chooses once, at the start.
func defaultProcs() bool { return false }

// procsAreExplicit does not matter where nothing can be handed back.
func procsAreExplicit() bool { return true }
