package wire

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/setpoint-dev/setpoint/client-sdk/go/internal/model"
)

// BadField says which field of a message breaks the contract, and how.
type BadField struct {
	Path    string
	Problem string
}

func (b *BadField) Error() string { return b.Path + ": " + b.Problem }

// unsupported is an entry that this build does not know: it alone is left out of its message.
type unsupported struct{ why string }

func (u *unsupported) Error() string { return u.why }

func problem(text string) error { return &BadField{Problem: text} }

func notKnown(what string, number int32) error {
	return &unsupported{fmt.Sprintf("%s %d is not known to this build", what, number)}
}

// at puts a segment of the path in front of an error.
func at(segment string, err error) error {
	var bad *BadField
	if !errors.As(err, &bad) {
		return err
	}
	if bad.Path == "" {
		return &BadField{segment, bad.Problem}
	}
	return &BadField{segment + "." + bad.Path, bad.Problem}
}

func atIndex(list string, index int, err error) error {
	return at(fmt.Sprintf("%s[%d]", list, index), err)
}

func finite(name string, number float64) error {
	if math.IsNaN(number) || math.IsInf(number, 0) {
		return at(name, problem("must be a finite number"))
	}
	return nil
}

func notNegative(name string, number float64) error {
	if err := finite(name, number); err != nil {
		return err
	}
	if number < 0 {
		return at(name, problem("must be at least 0"))
	}
	return nil
}

func ratio(name string, number float64) error {
	if !(number >= 0 && number <= 1) {
		return at(name, problem("must be 0 to 1"))
	}
	return nil
}

func text(name, value string, most int) error {
	if len(value) > most {
		return at(name, problem(fmt.Sprintf("longer than %d bytes", most)))
	}
	return nil
}

func count(name string, entries, most int) error {
	if entries > most {
		return at(name, problem(fmt.Sprintf("more than %d entries", most)))
	}
	return nil
}

func knobName(name, value string) error {
	if !model.ValidName(value) {
		return at(name, problem("must be 1 to 128 bytes of a-z A-Z 0-9 . _ - /"))
	}
	return nil
}

func knobNames(name string, values []string) error {
	if err := count(name, len(values), MaxKnobs); err != nil {
		return err
	}
	for i, value := range values {
		if err := knobName("", value); err != nil {
			return &BadField{fmt.Sprintf("%s[%d]", name, i), "must be a knob's name"}
		}
	}
	return nil
}

// duration of at most a day, or its default where it is absent.
func duration(name string, wire *durationpb.Duration, otherwise time.Duration) (time.Duration, error) {
	if wire == nil {
		return otherwise, nil
	}
	if wire.Seconds < 0 || wire.Nanos < 0 {
		return 0, at(name, problem("must not be negative"))
	}
	day := int64(LongestDuration / time.Second)
	if wire.Nanos >= 1e9 || wire.Seconds > day || (wire.Seconds == day && wire.Nanos > 0) {
		return 0, at(name, problem("must be at most 1 day"))
	}
	return time.Duration(wire.Seconds)*time.Second + time.Duration(wire.Nanos), nil
}

func encodeDuration(length time.Duration) *durationpb.Duration {
	return durationpb.New(min(max(length, 0), LongestDuration))
}

// clip cuts a text to so many bytes at a character's border, and makes it one that the wire takes.
func clip(text string, most int) string {
	if len(text) > most {
		for most > 0 && !utf8.RuneStart(text[most]) {
			most--
		}
		text = text[:most]
	}
	if !utf8.ValidString(text) {
		return sanitized(text, most)
	}
	return text
}

func sanitized(text string, most int) string {
	clean := make([]byte, 0, len(text))
	for _, r := range text {
		if len(clean)+utf8.RuneLen(r) > most {
			break
		}
		clean = utf8.AppendRune(clean, r)
	}
	return string(clean)
}

func short(text string) string { return clip(text, StringBytes) }
