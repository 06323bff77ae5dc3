package rig

import (
	"fmt"
	"time"

	"github.com/setpoint-dev/setpoint/integration/go/internal/service"
)

// Take memory as a neighbour does, keep it, and stay.
func Take(kind string, mibs int, over time.Duration, file string) error {
	var err error
	switch kind {
	case "process":
		err = service.TakeMapped(mibs, over)
	case "tmpfs", "pagecache":
		err = service.TakeFile(file, mibs, over)
	default:
		err = fmt.Errorf("unknown kind of neighbour %q", kind)
	}
	if err != nil {
		return err
	}
	select {} // until it is killed
}
