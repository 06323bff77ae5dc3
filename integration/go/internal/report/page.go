package report

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed head.md
var head string

// Write the page with its plots beside it.
func (t *Table) Write(path string) error {
	var text strings.Builder
	text.WriteString(head)
	t.writePromises(&text)
	for i := range t.sections {
		s := &t.sections[i]
		s.write(&text)
		if picture := s.plot(); picture != "" {
			name := fmt.Sprintf("gc-results-%s.svg", s.workload.Name)
			if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(picture), 0o644); err != nil {
				return err
			}
			fmt.Fprintf(&text, "![memory in use of %s](%s)\n\n", s.workload.Name, name)
		}
	}
	return os.WriteFile(path, []byte(strings.TrimRight(text.String(), "\n")+"\n"), 0o644)
}
