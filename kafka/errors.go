package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"connectd/internal/dial"
	"connectd/record"
)

var (
	// ErrFenced is a commit that the group refused, or that was not sent, because the partition
	// is no longer this member's: drop what is buffered and write nothing more. It is also what a
	// TxProducer ends with when another one has taken its transactional id over.
	ErrFenced = errors.New("kafka: fenced: the partition belongs to another member of the group, or to a later assignment")

	// ErrClosed is what is left undone by Close.
	ErrClosed = errors.New("kafka: closed")
)

// OutOfRange is a position that the log does not have: it was deleted by retention (Offset is
// below Start), or the topic was created anew or lost its end (Offset is above End). The
// partition delivers nothing until Group.Seek.
type OutOfRange struct {
	Partition  record.Partition
	Offset     int64 // the position
	Start, End int64 // what the log has: [Start, End)
}

func (e *OutOfRange) Error() string {
	if e.Offset < e.Start {
		return fmt.Sprintf("kafka: partition %s: offset %d is gone, the log starts at %d: %d offsets were deleted by retention before they were read", e.Partition, e.Offset, e.Start, e.Start-e.Offset)
	}
	return fmt.Sprintf("kafka: partition %s: offset %d is beyond the log's end %d: the topic was created anew, or lost records", e.Partition, e.Offset, e.End)
}

// NoOffset is a partition without a committed offset while auto.offset.reset is none. It delivers
// nothing until Group.Seek.
type NoOffset struct{ Partition record.Partition }

func (e *NoOffset) Error() string {
	return fmt.Sprintf("kafka: partition %s has no committed offset, and auto.offset.reset is none; commit one, or set it to earliest or latest", e.Partition)
}

// TopicGone is a partition of a topic that was deleted, and perhaps created anew. It delivers
// nothing any more, also of the new topic: that needs another member, which starts over.
type TopicGone struct {
	Partition record.Partition
	ID        string // of the topic that is gone, as Admin.TopicID prints it
}

func (e *TopicGone) Error() string {
	return fmt.Sprintf("kafka: partition %s: the topic with the id %s was deleted", e.Partition, e.ID)
}

// Permanent says whether err will be the same on every retry, so that a task should fail instead
// of starting again.
func Permanent(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.permanent
}

// failure is an error that has been explained.
type failure struct {
	err       error
	permanent bool
}

func (e *failure) Error() string { return e.err.Error() }
func (e *failure) Unwrap() error { return e.err }

// hopeless is an error that does not heal by itself.
func hopeless(format string, args ...any) error {
	return &failure{err: fmt.Errorf(format, args...), permanent: true}
}

// passing is an error that another try may heal.
func passing(format string, args ...any) error {
	return &failure{err: fmt.Errorf(format, args...)}
}

// explain says in one sentence what err means and what to do about it; brokers is the list to
// name. err stays inside. An error that has been explained before is returned as it is.
func explain(err error, brokers string) error {
	switch {
	case err == nil, errors.As(err, new(*failure)), errors.Is(err, ErrClosed):
		return err
	case errors.Is(err, kgo.ErrClientClosed):
		return ErrClosed
	}
	for _, explained := range []error{refused(err, brokers), untrusted(err, brokers), unreachable(err, brokers)} {
		if explained != nil {
			return explained
		}
	}
	return passing("kafka: %w", err)
}

// refused explains what the broker answers to somebody or something that it does not accept.
func refused(err error, brokers string) error {
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return hopeless("kafka: the broker at %s refuses the login (%w); check the user and password in sasl.jaas.config, and sasl.mechanism", brokers, brief{err})
	case errors.Is(err, kerr.UnsupportedSaslMechanism), errors.Is(err, kerr.IllegalSaslState):
		return hopeless("kafka: the broker at %s does not offer this kind of login (%w); check sasl.mechanism and security.protocol", brokers, brief{err})
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return hopeless("kafka: the user may not do this with the topic (%w); grant it with kafka-acls --add --topic", brief{err})
	case errors.Is(err, kerr.InvalidTopicException):
		return hopeless("kafka: this can not be the name of a topic (%w); use letters, digits, dots, dashes and underscores, 249 at most", brief{err})
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return hopeless("kafka: the user may not use the consumer group (%w); grant it with kafka-acls --add --operation Read --group", brief{err})
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return hopeless("kafka: the user may not do this with the cluster, such as create topics (%w); grant it with kafka-acls --add --cluster", brief{err})
	}
	return nil
}

// untrusted explains what goes wrong between opening a connection and using it.
func untrusted(err error, brokers string) error {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		alert     tls.AlertError
		header    tls.RecordHeaderError
		early     *kgo.ErrFirstReadEOF
		remote    *net.OpError
	)
	switch {
	case errors.As(err, &authority):
		return hopeless("kafka: the certificate of %s is not signed by a trusted authority (%w); put that authority into ssl.truststore.location or ssl.truststore.certificates", brokers, err)
	case errors.As(err, &host):
		return hopeless("kafka: the certificate of %s does not name that host (%w); use a name from the certificate in bootstrap.servers, or set ssl.endpoint.identification.algorithm to nothing", brokers, err)
	case errors.As(err, &invalid):
		return hopeless("kafka: the certificate of %s is not valid (%w); is it expired, or the clock wrong?", brokers, err)
	case errors.As(err, &alert), errors.As(err, &remote) && remote.Op == "remote error":
		return hopeless("kafka: the broker at %s refuses the TLS connection (%w); does it want a client certificate (ssl.keystore.location)?", brokers, err)
	case errors.As(err, &header):
		return hopeless("kafka: %s does not speak TLS (%w); check the port, and security.protocol", brokers, err)
	case errors.As(err, &early), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return passing("kafka: the broker at %s hangs up (%w); does security.protocol fit its listener, and is the login right?", brokers, err)
	}
	return nil
}

func unreachable(err error, brokers string) error {
	var (
		dns *net.DNSError
		op  *net.OpError
	)
	switch {
	case errors.As(err, &dns), errors.As(err, &op) && op.Op == "dial", errors.Is(err, context.DeadlineExceeded):
		return passing("kafka: no broker answers at %s (%w); is it running, and is bootstrap.servers right?", brokers, brief{err})
	}
	return nil
}

// brief prints the cause in a few words: Kafka's name for it, or why the connection failed.
type brief struct{ error }

func (b brief) Unwrap() error { return b.error }

func (b brief) Error() string {
	var k *kerr.Error
	if errors.As(b.error, &k) {
		return k.Message
	}
	return dial.Cause(b.error)
}
