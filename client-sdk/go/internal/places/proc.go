package places

import _ "unsafe" // for go:linkname

// The processor that runs a goroutine has counters of its own, so that processors do not take each other's cache lines away. The
// runtime tells its number only to those that stay on it; a goroutine that does is not preempted, which also means that nobody is
// stopped by the scheduler while it holds a shard. The runtime keeps these two names for packages outside of it
// (go.dev/issue/67401).

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()
