//go:build !unix

package signals

import (
	"errors"
	"io"
	"os"
)

// once reads a file from its beginning; on a system without /proc it does not matter how.
type once struct{ file *os.File }

func newOnce(file *os.File) (*once, error) { return &once{file}, nil }

func (o *once) into(buffer []byte) (int, error) {
	length, err := o.file.ReadAt(buffer, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return length, err
}
