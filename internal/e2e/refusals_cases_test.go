package e2e

// In settings and sentences {NAME} stands for a server of the test run, see refusals.places.

// goodOnes is the worker, and two connectors that nothing is wrong with.
const goodOnes = `
worker:
  bootstrap.servers: {KAFKA}
  listeners: http://127.0.0.1:0
  metadata.max.age.ms: 500
  offset.storage.topic: {PREFIX}-offsets
  key.converter: json
  value.converter: json
connectors:
  good-source:
    connector.class: postgres-source
    database.hostname: {PG_HOST}
    database.port: {PG_PORT}
    database.user: debezium
    database.password: dbz
    database.dbname: {PG_DB}
    topic.prefix: {PREFIX}
    slot.name: {PREFIX}
    publication.name: {PREFIX}_all
    table.include.list: public.orders
    topic.creation.default.partitions: 1
    topic.creation.default.replication.factor: 1
    transforms: unwrap
    transforms.unwrap.type: unwrap
  good-sink:
    connector.class: postgres-sink
    topics: {PREFIX}.public.orders
    connection.url: postgres://postgres@{PG_HOST}:{PG_PORT}/{TARGET_DB}
    table.name.format: ${table}
    auto.create: true
    linger.ms: 100
`

const sourceOf = `
connector.class: postgres-source
database.hostname: {PG_HOST}
database.user: debezium
topic.prefix: bad
table.include.list: public.orders
`

const right = `
database.port: {PG_PORT}
database.password: dbz
database.dbname: {PG_DB}
publication.name: {PREFIX}_all
`

var sourceRefusals = []refusal{
	{
		name:     "wrong-password",
		settings: sourceOf + "database.port: {PG_PORT}\ndatabase.password: {SECRET}\ndatabase.dbname: {PG_DB}",
		state:    "FAILED",
		want:     `connect to {PG_HOST}:{PG_PORT}/{PG_DB} as "debezium": password authentication failed for user "debezium" (SQLSTATE 28P01); check database.user and database.password`,
	},
	{
		name:     "no-such-database",
		settings: sourceOf + "database.port: {PG_PORT}\ndatabase.password: dbz\ndatabase.dbname: nothing",
		state:    "FAILED",
		want:     `connect to {PG_HOST}:{PG_PORT}/nothing as "debezium": database "nothing" does not exist (SQLSTATE 3D000); check database.dbname`,
	},
	{
		name:     "no-such-host",
		settings: "connector.class: postgres-source\ntopic.prefix: bad\ndatabase.user: debezium\ndatabase.hostname: db.invalid\ndatabase.dbname: shop",
		state:    "RESTARTING",
		want:     `connect to db.invalid:5432/shop as "debezium": the host is not known; check database.hostname and database.port, and that PostgreSQL runs there`,
	},
	{
		name:     "no-such-port",
		settings: sourceOf + "database.port: {NOBODY_PORT}\ndatabase.dbname: shop",
		state:    "RESTARTING",
		want:     `connect to {NOBODY}/shop as "debezium": connection refused; check database.hostname and database.port, and that PostgreSQL runs there`,
	},
	{
		name:     "may-not-replicate",
		settings: sourceOf + right + "database.user: {PREFIX}_copier\ndatabase.password: x",
		state:    "FAILED",
		want:     `role "{PREFIX}_copier" may not replicate; run ALTER ROLE "{PREFIX}_copier" REPLICATION`,
	},
	{
		name:     "may-not-read",
		settings: sourceOf + right + "database.user: {PREFIX}_stranger\ndatabase.password: x",
		state:    "FAILED",
		want:     `role "{PREFIX}_stranger" may not read table public.orders; run GRANT SELECT ON "public"."orders" TO "{PREFIX}_stranger"`,
	},
	{
		name:     "wal-level-replica",
		settings: sourceOf + "database.port: {REPLICA_PORT}\ndatabase.password: dbz\ndatabase.dbname: shop",
		state:    "FAILED",
		want:     `wal_level is "replica", want "logical"; run ALTER SYSTEM SET wal_level = logical and restart PostgreSQL`,
	},
	{
		name:     "slot-in-use",
		settings: sourceOf + right + "slot.name: {PREFIX}_busy",
		state:    "RESTARTING",
		want:     `slot "{PREFIX}_busy" is active for PID 1; stop the other reader, or give this connector its own slot.name`,
	},
	{
		name:     "missing-table",
		settings: sourceOf + right + "table.include.list: public.orders,public.nothing\nslot.name: {PREFIX}_t1",
		state:    "FAILED",
		want:     `table "public.nothing" of table.include.list does not exist in database "{PG_DB}"; create it, or remove it from the list`,
	},
	{
		name:     "no-table",
		settings: sourceOf + right + "table.include.list: shop.*\nslot.name: {PREFIX}_t2",
		state:    "FAILED",
		want:     `database "{PG_DB}" has no table that table.include.list matches (shop.*); write schema.table, or create the table first`,
	},
	{
		name:     "missing-publication",
		settings: sourceOf + right + "publication.name: nothing\npublication.autocreate.mode: disabled\nslot.name: {PREFIX}_t3",
		state:    "FAILED",
		want:     `publication "nothing" does not exist, and publication.autocreate.mode is disabled; run CREATE PUBLICATION "nothing" FOR TABLE ONLY "public"."orders"`,
	},
	{
		name:      "not-owner",
		settings:  sourceOf + right + "publication.name: {PREFIX}_own\npublication.autocreate.mode: filtered\nslot.name: {PREFIX}_t4",
		state:     "FAILED",
		want:      `create publication "{PREFIX}_own": must be owner of table orders (SQLSTATE 42501); let the owner of the tables run CREATE PUBLICATION "{PREFIX}_own" FOR TABLE ONLY "public"."orders" WITH (publish = 'insert, update, delete')`,
		unchecked: true,
	},
}

const postgresOf = `
connector.class: postgres-sink
topics: {PREFIX}.public.orders
connection.attempts: 1
table.name.format: ${table}
linger.ms: 100
`

const clickhouseOf = `
connector.class: clickhouse-sink
topics: {PREFIX}.public.orders
hostname: {CH_HOST}
username: {CH_USER}
linger.ms: 100
`

const s3Of = `
connector.class: s3-sink
topics: {PREFIX}.public.orders
s3.region: us-east-1
s3.part.retries: 1
`

var targetRefusals = []refusal{
	{
		name:     "postgres-wrong-password",
		settings: postgresOf + "connection.url: postgres://{PG_HOST}:{PG_PORT}/{TARGET_DB}\nconnection.user: debezium\nconnection.password: {SECRET}",
		state:    "FAILED",
		want:     `connect to {PG_HOST}:{PG_PORT}/{TARGET_DB} as "debezium": password authentication failed for user "debezium" (SQLSTATE 28P01); check connection.user and connection.password`,
	},
	{
		name:     "postgres-no-such-database",
		settings: postgresOf + "connection.url: postgres://postgres:{SECRET}@{PG_HOST}:{PG_PORT}/nothing",
		state:    "FAILED",
		want:     `connect to {PG_HOST}:{PG_PORT}/nothing as "postgres": database "nothing" does not exist (SQLSTATE 3D000); create it, or correct connection.url`,
	},
	{
		name:     "postgres-down",
		settings: postgresOf + "connection.url: postgres://postgres:{SECRET}@{NOBODY}/shop",
		state:    "RESTARTING",
		want:     `connect to {NOBODY}/shop as "postgres": connection refused; check connection.url, and that PostgreSQL runs there`,
	},
	{
		name:      "postgres-missing-table",
		settings:  postgresOf + "connection.url: postgres://postgres@{PG_HOST}:{PG_PORT}/{TARGET_DB}\ntable.name.format: nothing",
		state:     "FAILED",
		want:      `write partition {PREFIX}.public.orders-0, offsets 0 to 1: offset 0: table "nothing" does not exist; set auto.create: true, or run: CREATE TABLE IF NOT EXISTS "nothing" ("id" integer, "item" text)`,
		unchecked: true,
	},
	{
		name:      "postgres-no-privilege",
		settings:  postgresOf + "connection.url: postgres://{PREFIX}_loader:x@{PG_HOST}:{PG_PORT}/{TARGET_DB}\ntable.name.format: closed\noffsets.storage: kafka",
		state:     "FAILED",
		want:      `flush partition {PREFIX}.public.orders-0, offsets 0 to 1: write table "closed": permission denied for table closed (SQLSTATE 42501); run GRANT SELECT, INSERT, UPDATE, DELETE ON "closed" TO "{PREFIX}_loader"`,
		unchecked: true,
	},
	{
		name:      "postgres-rows-that-exclude-each-other",
		settings:  postgresOf + "connection.url: postgres://postgres@{PG_HOST}:{PG_PORT}/{TARGET_DB}\ntable.name.format: single",
		state:     "FAILED",
		want:      `record {PREFIX}.public.orders-0@1: write table "single": conflicting key value violates exclusion constraint "one", constraint "one" (SQLSTATE 23P01)`,
		unchecked: true,
	},
	{
		name:     "clickhouse-wrong-password",
		settings: clickhouseOf + "port: {CH_PORT}\npassword: {SECRET}\ndatabase: {CH_DB}",
		state:    "FAILED",
		want:     `connect to {CH_HOST}:{CH_PORT}/{CH_DB} as "{CH_USER}": {CH_USER}: Authentication failed: password is incorrect, or there is no user with such name (code 516); check username and password`,
	},
	{
		name:     "clickhouse-down",
		settings: clickhouseOf + "port: {NOBODY_PORT}\npassword: {SECRET}\ndatabase: shop",
		state:    "RESTARTING",
		want:     `connect to {NOBODY}/shop as "{CH_USER}": connection refused; check hostname and port, and that ClickHouse runs there`,
	},
	{
		name:     "clickhouse-no-such-database",
		settings: clickhouseOf + "port: {CH_PORT}\npassword: {CH_PASSWORD}\ndatabase: nothing",
		state:    "FAILED",
		want:     `connect to {CH_HOST}:{CH_PORT}/nothing as "{CH_USER}": Database nothing does not exist (code 81); create database nothing, or correct database`,
	},
	{
		name:      "clickhouse-missing-table",
		settings:  clickhouseOf + "port: {CH_PORT}\npassword: {CH_PASSWORD}\ndatabase: {CH_DB}\ntable.name.format: nothing",
		state:     "FAILED",
		want:      "write partition {PREFIX}.public.orders-0, offsets 0 to 1: table `{CH_DB}`.`nothing` does not exist; set auto.create: true, or run CREATE TABLE IF NOT EXISTS `{CH_DB}`.`nothing` (`id` Int32, `item` Nullable(String), `_version` UInt64, `_is_deleted` UInt8) ENGINE = ReplacingMergeTree(`_version`, `_is_deleted`) ORDER BY (`id`) SETTINGS non_replicated_deduplication_window = 10000",
		unchecked: true,
	},
	{
		name:     "s3-no-such-bucket",
		settings: s3Of + "store.url: {S3_URL}\ns3.bucket.name: nothing\naws.access.key.id: {S3_KEY}\naws.secret.access.key: {S3_SECRET}",
		state:    "FAILED",
		want:     `look for bucket "nothing" at {S3_URL}: the bucket does not exist; create it, or correct s3.bucket.name`,
	},
	{
		name:     "s3-wrong-key",
		settings: s3Of + "store.url: {S3_URL}\ns3.bucket.name: {S3_BUCKET}\naws.access.key.id: stranger\naws.secret.access.key: {SECRET}",
		state:    "FAILED",
		want:     `look for bucket "{S3_BUCKET}" at {S3_URL}: XAdminUserNotFound; check aws.access.key.id and aws.secret.access.key`,
	},
	{
		name:     "s3-wrong-secret",
		settings: s3Of + "store.url: {S3_URL}\ns3.bucket.name: {S3_BUCKET}\naws.access.key.id: {S3_KEY}\naws.secret.access.key: {SECRET}",
		state:    "FAILED",
		want:     `look for bucket "{S3_BUCKET}" at {S3_URL}: SignatureDoesNotMatch; check aws.access.key.id and aws.secret.access.key`,
	},
	{
		name:     "s3-down",
		settings: s3Of + "store.url: http://{NOBODY}\ns3.bucket.name: shop\naws.access.key.id: {S3_KEY}\naws.secret.access.key: {SECRET}",
		state:    "RESTARTING",
		want:     `look for bucket "shop" at http://{NOBODY}: connection refused; check store.url, and that the store runs there`,
	},
}

const goodTarget = `
connector.class: s3-sink
topics: {PREFIX}.public.orders
store.url: {S3_URL}
s3.region: us-east-1
s3.bucket.name: {S3_BUCKET}
aws.access.key.id: {S3_KEY}
aws.secret.access.key: {S3_SECRET}
`

var brokerRefusals = []refusal{
	{
		name:      "broker-down",
		settings:  goodTarget + "consumer.override.bootstrap.servers: {NOBODY}",
		state:     "RESTARTING",
		want:      `kafka: no broker answers at {NOBODY} (connection refused); is it running, and is bootstrap.servers right?`,
		unchecked: true,
	},
	{
		name: "wrong-login",
		settings: goodTarget + `consumer.override.bootstrap.servers: {LOGIN_KAFKA}
consumer.override.security.protocol: SASL_PLAINTEXT
consumer.override.sasl.mechanism: PLAIN
consumer.override.sasl.jaas.config: org.apache.kafka.common.security.plain.PlainLoginModule required username="app" password="{SECRET}";`,
		state:     "FAILED",
		want:      `kafka: the broker at {LOGIN_KAFKA} refuses the login (SASL_AUTHENTICATION_FAILED); check the user and password in sasl.jaas.config, and sasl.mechanism`,
		unchecked: true,
	},
}

// mistakesFile is a second file, with what is wrong before anything runs.
const mistakesFile = `connectors:
  unknown-key: { connector.class: s3-sink, topics: a, s3.bucket.name: b, s3.bucket.nam: c }
  missing-key: { connector.class: s3-sink, topics: a }
  wrong-type: { connector.class: s3-sink, topics: a, s3.bucket.name: b, flush.size: many }
  bad-regex: { connector.class: s3-sink, topics.regex: "shop.(orders", s3.bucket.name: b }
  unknown-class: { connector.class: s4-sink, topics: a, s3.bucket.name: b }
`

var mistakes = []refusal{
	{name: "unknown-key", state: "FAILED", want: `{FILE}:2:74: connectors.unknown-key.s3.bucket.nam: is not a known key; did you mean s3.bucket.name?`},
	{name: "missing-key", state: "FAILED", want: `{FILE}:3:3: connectors.missing-key.s3.bucket.name: is missing; set it (bucket that the objects go to; it must exist)`},
	{name: "wrong-type", state: "FAILED", want: `{FILE}:4:73: connectors.wrong-type.flush.size: "many" is not a whole number; write digits only, such as 10`},
	{name: "bad-regex", state: "FAILED", want: `{FILE}:5:42: connectors.bad-regex.topics.regex: "shop.(orders" is not a regular expression: missing closing ); correct it (there is no look-ahead, look-behind or back-reference: see https://github.com/google/re2/wiki/Syntax)`},
	{name: "unknown-class", state: "FAILED", want: `{FILE}:6:20: connectors.unknown-class.connector.class: "s4-sink" is not a known connector; did you mean "s3-sink"? ({CLASSES})`},
}
