// Package convert turns records into the bytes of a Kafka record and back: JSON with and without
// schemas, strings and bytes; Avro is in a package below. It also says what a decoded value means (a moment, a decimal, a
// JSON text), so that every sink reads values the same way.
package convert
