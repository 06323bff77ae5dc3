package setpoint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// Readings of the wall clock, and what makes one of a time.Time. What is left of it is the difference of two of them, which is that of the
// monotonic clock (time.Since, Sub, Until).
var (
	wallFunctions = map[string]bool{"Now": true, "Date": true, "Unix": true, "UnixMilli": true, "UnixMicro": true, "Parse": true}
	wallMethods   = map[string]bool{
		"Unix": true, "UnixMilli": true, "UnixMicro": true, "UnixNano": true, "UTC": true, "Local": true, "In": true, "Format": true, "Round": true,
		"Truncate": true, "Clock": true, "AddDate": true, "Weekday": true, "YearDay": true,
	}
	// The only one: the beginning of the clock from which all others are measured.
	mayReadIt = filepath.Join("internal", "clock", "clock.go")
	// Not part of a service: the sidecar of tests, and what waits in them.
	forTests = []string{"internal/fakesidecar", "internal/leaktest", "internal/testsdk", "internal/gen", "bench", "conformance"}
)

// TestW11_NoWallClockIsRead, so that a step of it changes nothing: there is nothing that could notice.
func TestW11_NoWallClockIsRead(t *testing.T) {
	files, readings := 0, 0
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, directory := range forTests {
			if entry.IsDir() && filepath.ToSlash(path) == directory {
				return fs.SkipDir
			}
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".pb.go") {
			return nil
		}
		files++
		for _, reading := range wallReadings(t, path) {
			readings++
			if path != mayReadIt {
				t.Errorf("%s", reading)
			}
		}
		return nil
	})
	if err != nil || files < 50 || readings != 1 {
		t.Errorf("%v: %d readings in %d files", err, readings, files)
	}
}

// wallReadings are the places in a file.
func wallReadings(t *testing.T, path string) (found []string) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		call, isCall := node.(*ast.CallExpr)
		if !isCall {
			return true
		}
		selector, isSelector := call.Fun.(*ast.SelectorExpr)
		if !isSelector {
			return true
		}
		of, isName := selector.X.(*ast.Ident)
		known := isName && of.Obj == nil // a package or something of one, and not a variable
		name := selector.Sel.Name
		if known && of.Name == "time" && wallFunctions[name] || !known && wallMethods[name] {
			found = append(found, files.Position(call.Pos()).String())
		}
		return true
	})
	return found
}
