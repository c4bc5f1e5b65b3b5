// Package e2e tests the connectd binary as its users run it: real PostgreSQL, Kafka, ClickHouse
// and S3, one configuration file, a load that keeps changing, kill -9 and servers that go away.
// At the end every target is compared with the source, value by value.
package e2e
