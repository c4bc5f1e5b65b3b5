package connect

import (
	"errors"
	"fmt"

	"connectd/kafka"
)

// ErrFenced says that another owner has taken over what a connector was writing: a Writer returns
// it, wrapped, from Start or Flush. The runtime then drops what it holds and writes nothing more,
// instead of trying again, which would take the claim from the new owner.
var ErrFenced = errors.New("another owner has taken over")

// IsFenced says whether another owner has taken over, in the target or in Kafka.
func IsFenced(err error) bool { return errors.Is(err, ErrFenced) || errors.Is(err, kafka.ErrFenced) }

// Permanent marks an error that cannot heal by itself: the task becomes FAILED and is not
// restarted until somebody changes something.
func Permanent(err error) error { return permanent{err} }

// IsPermanent says whether err, or an error that it wraps, is marked by Permanent, or is one of
// Kafka's that do not heal.
func IsPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p) || kafka.Permanent(err)
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// RecordErrors is what Writer.Flush returns when the target itself has refused single records of
// the range, which nobody can know at Write. Nothing of the range is durable. The runtime does
// with these records what errors.tolerance says (a dead letter is acknowledged first), and then
// gives the range again, to a new writer, without them. The list may be cut off: what is left is
// found the next time.
type RecordErrors struct {
	Partition string // for the message
	Failed    []RecordError
}

// RecordError is a record that the target has refused, and why.
type RecordError struct {
	Offset int64
	Err    error
}

// Error is about the first record.
func (e *RecordErrors) Error() string {
	first := e.Failed[0]
	if len(e.Failed) == 1 {
		return fmt.Sprintf("record at offset %d of %s: %v", first.Offset, e.Partition, first.Err)
	}
	return fmt.Sprintf("%d records of %s are refused; the first is at offset %d: %v", len(e.Failed), e.Partition, first.Offset, first.Err)
}
