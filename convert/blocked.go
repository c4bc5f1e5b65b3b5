package convert

// Blocked is an error of a converter that is not about the record: none of its kind can be
// converted until something outside is put right, such as a schema registry that does not answer.
// The runtime leaves no record out for it: it tries again, or with Permanent stops the task.
type Blocked struct {
	Permanent bool // it does not heal by itself
	Err       error
}

// Error is what is wrong outside.
func (b *Blocked) Error() string { return b.Err.Error() }

// Unwrap is the cause.
func (b *Blocked) Unwrap() error { return b.Err }

// KeySettings are the settings of a converter that treats keys otherwise than values.
type KeySettings interface {
	// ForKeys says that the converter is a connector's key converter.
	ForKeys()
}
