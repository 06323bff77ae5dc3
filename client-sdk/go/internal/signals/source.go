package signals

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Retry is how long an absent file or a vanished cgroup is left alone before the next try.
const Retry = 10 * time.Second

// The largest file that is read.
const largest = 64 * 1024

var errTooLarge = errors.New("longer than 64 KiB")

// source is a kernel file through its life: opened when first needed and kept (a kept descriptor names one cgroup for good, and
// costs a third of opening anew), dropped when the kernel says that it is gone, tried again later.
type source struct {
	path    string
	file    *os.File
	once    *once
	buffer  []byte
	err     error
	retryAt time.Duration
}

func small(directory, name string) *source {
	return &source{path: filepath.Join(directory, name), buffer: make([]byte, 512)}
}

func table(path string) *source { return &source{path: path, buffer: make([]byte, 8192)} }

// read the file as it is now. On an error the descriptor is dropped and the error repeated until Retry has passed.
func (s *source) read(now time.Duration) ([]byte, error) {
	if s.err != nil && now < s.retryAt {
		return nil, s.err
	}
	content, err := s.content()
	if err != nil {
		s.close()
		s.retryAt = now + Retry
	}
	s.err = err
	return content, err
}

func (s *source) content() (content []byte, err error) {
	if s.file == nil {
		if s.file, s.once, err = openOnce(s.path); err != nil {
			return nil, err
		}
	}
	for {
		length, err := s.once.into(s.buffer)
		if err != nil {
			return nil, err
		}
		if length < len(s.buffer) {
			return s.buffer[:length], nil
		}
		// A read that fills the buffer may have been cut.
		if len(s.buffer) >= largest {
			return nil, errTooLarge
		}
		s.buffer = make([]byte, 2*len(s.buffer))
	}
}

func (s *source) close() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// openRegular refuses what is no regular file before it is opened: opening a pipe could block.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return os.Open(path)
}

// openOnce opens a regular file to be read from its beginning again and again.
func openOnce(path string) (*os.File, *once, error) {
	file, err := openRegular(path)
	if err != nil {
		return nil, nil, err
	}
	once, err := newOnce(file)
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, once, nil
}

// reading reads and parses.
func reading[T any](s *source, now time.Duration, parse func([]byte) (T, error)) (value T, err error) {
	content, err := s.read(now)
	if err != nil {
		return value, err
	}
	return parse(content)
}

// tightest is the smallest bound of all levels, own group first, or none. A level without the file has none; an ancestor that may
// not be read does not count, since it is not visible; any other trouble makes the result unknown.
func tightest[T uint64 | float64](levels int, none T, read func(level int) (T, error)) (T, error) {
	least := none
	for level := range levels {
		bound, err := read(level)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission) && level > 0:
			continue
		case err != nil:
			return none, err
		}
		if bound != none && (least == none || bound < least) {
			least = bound
		}
	}
	return least, nil
}
