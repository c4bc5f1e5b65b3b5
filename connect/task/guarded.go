package task

import (
	"fmt"
	"runtime/debug"
)

// Guarded is f's error, or the panic of f as one: a mistake in one connector must not end the
// others.
func Guarded(f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return f()
}
