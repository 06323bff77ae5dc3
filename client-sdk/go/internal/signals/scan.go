// Package signals reads what the kernel says about this process and its cgroup: v1, v2 and hybrid hosts, all ancestors.
//
// Unknown stays unknown: a file that is missing, cut or makes no sense gives no reading, and never zero.
package signals

import (
	"bytes"
	"fmt"
	"math"
)

// Maybe is a reading, if it is known.
type Maybe struct {
	Value float64
	Known bool
}

func known(value float64) Maybe { return Maybe{value, true} }

// ParseError says what is wrong with a kernel file, and in which field.
//
// The parsers are strict on purpose. A number cut short is still a number, so a file that does not end in a newline is an error; a
// key that occurs twice, a sign, a carriage return or a stray byte means that this is not the file we think it is. Keys that we do
// not know are skipped, since kernels add them.
type ParseError struct{ Field, Problem string }

func (e *ParseError) Error() string { return e.Field + ": " + e.Problem }

func wrong(field, problem string) error { return &ParseError{field, problem} }

// lines of a complete file; field names the file in the error.
func lines(content []byte, field string) ([]byte, error) {
	if len(content) == 0 {
		return nil, wrong(field, "empty")
	}
	if content[len(content)-1] != '\n' {
		return nil, wrong(field, "does not end in a newline")
	}
	return content[:len(content)-1], nil
}

// nextLine takes the first line off.
func nextLine(rest []byte) (line, after []byte, more bool) {
	line, after, more = bytes.Cut(rest, newline)
	return line, after, more
}

var newline = []byte{'\n'}

// singleLine is the only line of a one-line file.
func singleLine(content []byte, field string) ([]byte, error) {
	line, err := lines(content, field)
	if err == nil && bytes.IndexByte(line, '\n') >= 0 {
		err = wrong(field, "followed by more than expected")
	}
	return line, err
}

// keyValue splits at the first blank.
func keyValue(line []byte) (key, value []byte) {
	at := bytes.IndexByte(line, ' ')
	if at < 0 {
		return line, nil
	}
	return line[:at], line[at+1:]
}

// number is a token of digits and nothing else.
func number(token []byte, field string) (uint64, error) {
	if len(token) == 0 {
		return 0, wrong(field, "missing")
	}
	var value uint64
	for _, b := range token {
		if b < '0' || b > '9' {
			return 0, wrong(field, fmt.Sprintf("byte %#04x in a number", b))
		}
		digit := uint64(b - '0')
		if value > (math.MaxUint64-digit)/10 {
			return 0, wrong(field, "does not fit into 64 bits")
		}
		value = value*10 + digit
	}
	return value, nil
}

// onlyNumber is a one-line file that holds one number.
func onlyNumber(content []byte, field string) (uint64, error) {
	line, err := singleLine(content, field)
	if err != nil {
		return 0, err
	}
	return number(line, field)
}

// count is the number of a field that may occur once.
type count struct {
	value uint64
	seen  bool
}

func (c *count) store(token []byte, field string) (err error) {
	if c.seen {
		return wrong(field, "given twice")
	}
	c.value, err = number(token, field)
	c.seen = err == nil
	return err
}

func (c *count) need(field string) error {
	if !c.seen {
		return wrong(field, "missing")
	}
	return nil
}

// scan calls for each line's key and value.
func scan(content []byte, field string, take func(key, value []byte) error) error {
	rest, err := lines(content, field)
	for more := true; more && err == nil; {
		var line []byte
		line, rest, more = nextLine(rest)
		key, value := keyValue(line)
		err = take(key, value)
	}
	return err
}
