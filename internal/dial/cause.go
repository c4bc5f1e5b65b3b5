// Package dial says why a server can not be reached, in the same words for every client library.
package dial

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// Cause is why a connection could not be made, or has ended, in a few words: "connection refused".
// It names no address, which the caller knows, and nothing of the steps of a client library. An
// err that is not about the network is its innermost cause.
func Cause(err error) string {
	var (
		name    *net.DNSError
		waiting net.Error
	)
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "the host is not known"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed by the server"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to the host"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &waiting) && waiting.Timeout():
		return "no answer in time"
	}
	text, _, _ := strings.Cut(innermost(err).Error(), "\n")
	return text
}

// innermost is the first error inside err that has none inside.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if several, ok := err.(interface{ Unwrap() []error }); ok && len(several.Unwrap()) > 0 {
			next = several.Unwrap()[0]
		}
		if next == nil {
			return err
		}
		err = next
	}
}
