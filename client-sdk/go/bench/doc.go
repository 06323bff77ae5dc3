// Package bench compares what a permit costs with what others ask for theirs. It is a module of its own, so that the peers do not
// reach the services that use the SDK:
//
//	go test -bench . -count 5
package bench
