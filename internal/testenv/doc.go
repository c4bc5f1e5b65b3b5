// Package testenv starts real servers (PostgreSQL, Kafka, ClickHouse, S3) and a Schema Registry on
// free ports of 127.0.0.1, in directories of their own, and stops exactly the processes it started.
//
// In flows what scripts/install-servers.sh installed; out flow addresses to connect to.
// Two kinds of callers:
//
//   - programs, such as the demo: StartPostgres, StartKafka, StartClickHouse, StartS3,
//     StartRegistry and StartAll. Whoever starts a server closes it. A server also dies with
//     the program that started it, however that program ends, and its directory goes with it.
//   - tests (file testing.go): SharedPostgres and its siblings use the servers that
//     "make test" started once for the whole run; Database, Topic, ClickHouseDatabase and
//     Bucket give each test a fresh place on them; OwnPostgres and its siblings start a
//     private server, for tests that kill it.
//
// A context passed to a Start function limits how long the start may take, not how long
// the server lives. The methods of one server are not for several goroutines at once.
package testenv
