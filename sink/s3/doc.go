// Package s3 writes each partition of a topic as objects into an S3 bucket. Rows flow in through
// Writer.Write, are encoded and compressed as they come, each into the open object of its folder
// (package format says how), and wait in a little memory and on disk. Writer.Flush puts all open
// objects of the partition. Their keys and contents are functions of the range of offsets and of
// the settings alone, so a flush that is repeated after a crash changes nothing.
package s3
