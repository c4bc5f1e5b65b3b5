package connect

import (
	"fmt"
	"runtime/debug"
)

// guarded is f's error, or the panic of f as one: a mistake in one connector must not end the
// others.
func guarded(f func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return f()
}
