// Package registry asks a Schema Registry for schemas and registers them, for the converters whose
// bytes name a schema. In flow the settings that Kafka Connect's converters have for it; out flow
// schemas by their ids, ids of schemas, and errors that say whether to try again. What has an id
// never changes, so it is asked for once.
package registry
