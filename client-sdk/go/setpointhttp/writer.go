package setpointhttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// writer notes the status of a response. What the server's own writer can do besides is reached through it, as http.ResponseController
// and older code do.
type writer struct {
	http.ResponseWriter
	status int
}

// statusCode of the response; a handler that writes nothing answers 200.
func (w *writer) statusCode() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

func (w *writer) note(status int) {
	// Informational ones precede the status, but for switching protocols, which ends it.
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
}

func (w *writer) WriteHeader(status int) {
	w.note(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(content []byte) (int, error) {
	w.note(http.StatusOK)
	return w.ResponseWriter.Write(content)
}

// ReadFrom keeps sendfile, where there is one.
func (w *writer) ReadFrom(from io.Reader) (int64, error) {
	w.note(http.StatusOK)
	return io.Copy(w.ResponseWriter, from)
}

// Flush is of http.Flusher.
func (w *writer) Flush() {
	w.note(http.StatusOK)
	_ = http.NewResponseController(w.ResponseWriter).Flush() // a writer that cannot flush has nobody to tell
}

// Hijack is of http.Hijacker.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.note(http.StatusSwitchingProtocols)
	}
	return conn, buffered, err
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
