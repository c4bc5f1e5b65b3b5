// Package files reads files from folders and from buckets: whole files that appear (mode complete)
// and files that grow (mode tail).
//
// In flow bytes, out flow batches of records. One row's way: list.go finds its file, in a store
// that is folders.go or bucket.go, and identity.go decides whether it is known, content.go opens the file (decompressed, as UTF-8),
// input.go cuts lines or csv.go rows from it, and output.go makes a record of each in the memory
// of a batch. A batch carries the position behind its last record (state.go); only when that is
// durable is a finished file deleted or moved (cleanup.go).
//
// Who owns what: the goroutine of Source.Run owns the list of files and decides; a few readers
// each own one file at a time, handed to them and back over channels.
package files
