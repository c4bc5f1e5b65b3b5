// Package avro is the converter that Kafka Connect's users know as
// io.confluent.connect.avro.AvroConverter: records become Avro whose schemas are in a Schema
// Registry, and back. Schemas are mapped as Confluent's AvroData maps them, so that readers and
// writers of both kinds can share a topic.
//
// Going out, a Mapping turns a record.Schema into an Avro schema and values of it into octets;
// it needs no registry, and whoever writes Avro files can use it too. Coming in, a Reader turns
// octets of an Avro schema into cells. Both are worked out once a schema and allocate nothing
// for a record.
package avro
