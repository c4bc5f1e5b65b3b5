package connect

import "fmt"

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
