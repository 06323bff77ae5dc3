// Package proc says which processor runs a goroutine: each has counters of its own, so that processors do not take each other's cache lines
// away. The runtime tells its number only to those that stay on it for that moment; afterwards it is a hint, and nothing but speed depends
// on it. The runtime keeps these two names for packages outside of it (go.dev/issue/67401).
package proc

import _ "unsafe" // for go:linkname

// Pin the goroutine to its processor, whose number it returns, until Unpin.
//
//go:linkname Pin runtime.procPin
func Pin() int

// Unpin lets the goroutine go on elsewhere.
//
//go:linkname Unpin runtime.procUnpin
func Unpin()
