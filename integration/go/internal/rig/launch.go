package rig

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

func (s *stage) socket() string { return filepath.Join(s.home, "http.sock") }

func (s *stage) companionSocket() string { return filepath.Join(s.home, "companion.sock") }

// start an instance of the service in the group.
func (s *stage) start(ctx context.Context) error {
	_ = os.Remove(s.socket()) // of the one before, which was killed
	s.mu.Lock()
	var more []string
	if s.begun {
		more = append(more, "--begun")
	}
	s.mu.Unlock()
	i, err := s.launch(s.socket(), more...)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.instances, s.from = append(s.instances, i), append(s.from, 0)
	s.mu.Unlock()
	return answers(ctx, s.socket(), i)
}

// launch a process of the service in the group, which listens there.
func (s *stage) launch(socket string, more ...string) (*instance, error) {
	program := []string{s.Own, "enter"}
	if s.policy.NoFiles {
		program = append(program, withoutFiles)
	}
	program = append(append(program, s.group.dirs()...), "--", s.Own, "serve", "--workload", s.workload.Name, "--policy", s.policy.Name)
	program = append(append(program, "--socket", socket), more...)
	reading, writing, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	process, err := spawn(writing, os.Stderr, environment("SETPOINT_SOCKET="+filepath.Join(s.home, "sdk.sock")), program...)
	_ = writing.Close() // the child has its own
	if err != nil {
		return nil, errors.Join(err, reading.Close())
	}
	i := &instance{child: process}
	go func() {
		i.follow(reading)
		_ = reading.Close()
	}()
	return i, nil
}
