//go:build unix

package signals

import (
	"os"
	"syscall"
)

// once reads a kernel file from its beginning with one system call.
//
// os.File.ReadAt makes two: it goes on until the kernel says that there is no more, and for that the kernel makes all of the text again. Each
// file that is read here is one record, which the kernel gives whole or, where the buffer is too small, cut at its end.
type once struct {
	connection syscall.RawConn
	buffer     []byte
	length     int
	err        error
	read       func(descriptor uintptr) bool // made once, so that a reading allocates nothing
}

func newOnce(file *os.File) (*once, error) {
	connection, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	o := &once{connection: connection}
	o.read = func(descriptor uintptr) bool {
		for {
			o.length, o.err = syscall.Pread(int(descriptor), o.buffer, 0)
			if o.err != syscall.EINTR {
				return true
			}
		}
	}
	return o, nil
}

// into the buffer; the length.
func (o *once) into(buffer []byte) (int, error) {
	o.buffer = buffer
	if err := o.connection.Read(o.read); err != nil {
		return 0, err
	}
	o.buffer = nil
	return max(o.length, 0), o.err
}
