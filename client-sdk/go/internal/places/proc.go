package places

import _ "unsafe" // for go:linkname

// The processor that runs a goroutine has counters of its own, so that processors do not take each other's cache lines away. The
// runtime tells its number only to those that stay on it for that moment; afterwards it is a hint, and nothing but speed depends on it.
// The runtime keeps these two names for packages outside of it (go.dev/issue/67401).

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()
