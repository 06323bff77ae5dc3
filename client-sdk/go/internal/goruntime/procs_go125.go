//go:build go1.25

package goruntime

import "runtime"

func defaultProcs() bool {
	runtime.SetDefaultGOMAXPROCS()
	return true
}

// procsAreExplicit says whether the service has set GOMAXPROCS itself. It stops the world where it has, twice.
func procsAreExplicit() bool {
	before := runtime.GOMAXPROCS(0)
	runtime.SetDefaultGOMAXPROCS()
	if runtime.GOMAXPROCS(0) == before {
		return false
	}
	runtime.GOMAXPROCS(before)
	return true
}
