// Package s3 writes each partition of a topic as objects of JSON lines into an S3 bucket. Rows
// flow in through Writer.Write and are compressed as they come; Writer.Flush puts one object
// whose key and content are functions of the range of offsets and of the settings alone, so a
// flush that is repeated after a crash changes nothing.
package s3
