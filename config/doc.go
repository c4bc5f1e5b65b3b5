// Package config turns files into connector settings: our YAML, Strimzi KafkaConnector documents
// and Kafka Connect's JSON become sections of flat keys, sections are decoded into the plain
// structs of the connectors, and every problem carries file:line:col.
package config
