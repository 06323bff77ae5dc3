package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBindingsAreCurrent(t *testing.T) {
	files, err := bindings()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 {
		t.Fatalf("one file for the messages and one for the service, not %d", len(files))
	}
	for name, expected := range files {
		found, err := os.ReadFile(filepath.Join(checkedIn, name))
		if err != nil {
			t.Error(err)
		} else if string(found) != expected {
			t.Errorf("%s is not current: run `make gen`", name)
		}
	}
}
