package service

import (
	"errors"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// mapMemory takes memory outside the Go heap, as C code would.
func (s *service) mapMemory(w http.ResponseWriter, r *http.Request) {
	mibs, err := strconv.Atoi(r.URL.Query().Get("mib"))
	over, err2 := time.ParseDuration(r.URL.Query().Get("over"))
	if err := errors.Join(err, err2); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	go func() { _ = TakeMapped(mibs, over) }() // the rig sees what became of it in the cgroup
}

// TakeMapped maps so much memory and uses all of it, evenly over a time.
func TakeMapped(mibs int, over time.Duration) error {
	return evenly(mibs, over, func() error {
		mapped, err := syscall.Mmap(-1, 0, mib, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		for at := 0; at < len(mapped); at += page {
			mapped[at] = 1
		}
		return err
	})
}

// TakeFile writes so much into a file, evenly over a time.
func TakeFile(path string, mibs int, over time.Duration) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	data := make([]byte, mib)
	err = evenly(mibs, over, func() error {
		_, err := file.Write(data)
		return err
	})
	return errors.Join(err, file.Close())
}

func evenly(times int, over time.Duration, do func() error) error {
	began := time.Now()
	for i := range times {
		time.Sleep(time.Until(began.Add(over * time.Duration(i) / time.Duration(times))))
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}
