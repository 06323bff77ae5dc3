// Command gen makes the Go bindings out of the .proto file without protoc: protocompile compiles it, and the two plugins, pinned
// as tools of this module, print.
//
// It is a module of its own, so that nothing of this reaches the services that use the SDK.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	files, err := bindings()
	if err == nil {
		err = write(files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(files map[string]string) error {
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(checkedIn, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
