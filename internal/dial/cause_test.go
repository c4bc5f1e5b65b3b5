package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
)

func TestCause(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	for _, c := range []struct {
		err  error
		want string
	}{
		{refused, "connection refused"},
		{fmt.Errorf("driver: %w", errors.Join(fmt.Errorf("first try: %w", refused), refused)), "connection refused"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "db.invalid", IsNotFound: true}}, "the host is not known"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "server misbehaving", Name: "db"}}, "lookup db: server misbehaving"},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), "connection closed by the server"},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), "connection closed by the server"},
		{&net.OpError{Op: "dial", Net: "tcp", Err: syscall.EHOSTUNREACH}, "no route to the host"},
		{fmt.Errorf("dial: %w", context.DeadlineExceeded), "no answer in time"},
		{&net.OpError{Op: "read", Net: "tcp", Err: &net.DNSError{IsTimeout: true}}, "no answer in time"},
		{errors.Join(fmt.Errorf("tls: %w", errors.New("server refused TLS connection")), refused.Err), "connection refused"},
		{errors.Join(fmt.Errorf("tls: %w", errors.New("server refused TLS connection")), errors.New("other")), "server refused TLS connection"},
		{errors.New("one line\nand another"), "one line"},
	} {
		if got := Cause(c.err); got != c.want {
			t.Errorf("cause of %q is %q, want %q", c.err, got, c.want)
		}
	}
}
