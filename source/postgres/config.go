package postgres

import (
	"time"

	"connectd/config"
)

// Config is what may be configured: Debezium's properties of its PostgreSQL connector.
type Config struct {
	Connection
	Replication
	Capture
	Columns
	Snapshot
	Values
	Topics
	Signals
	Unsupported
	Ignored
}

// Connection says which database to read, and as whom.
type Connection struct {
	Host       string        `yaml:"database.hostname" required:"true" doc:"host of the PostgreSQL server"`
	Port       int           `yaml:"database.port" doc:"port of the PostgreSQL server"`
	User       string        `yaml:"database.user" required:"true" doc:"role to connect as; it needs LOGIN, REPLICATION, and SELECT on the captured tables"`
	Password   config.Secret `yaml:"database.password" doc:"password of that role"`
	Database   string        `yaml:"database.dbname" required:"true" doc:"database whose changes are read"`
	SSLMode    string        `yaml:"database.sslmode" values:"disable,allow,prefer,require,verify-ca,verify-full" doc:"how far the connection is encrypted and the server's certificate verified"`
	SSLCert    string        `yaml:"database.sslcert" doc:"file with the client's certificate (PEM)"`
	SSLKey     string        `yaml:"database.sslkey" doc:"file with the client's private key (PEM)"`
	SSLSecret  config.Secret `yaml:"database.sslpassword" doc:"password of the private key"`
	SSLRoot    string        `yaml:"database.sslrootcert" doc:"file with the certificates that may sign the server's (PEM)"`
	KeepAlive  bool          `yaml:"database.tcpKeepAlive" doc:"send TCP keepalives, so that a dead peer is noticed"`
	Statements string        `yaml:"database.initial.statements" doc:"SQL statements, separated by ; (;; for a semicolon), run on every connection but the replication connection"`
	Timeout    time.Duration `yaml:"database.query.timeout.ms" doc:"longest time that a query of the catalog may take; 0 for no limit"`
}

// Replication says which slot and publication to read.
type Replication struct {
	Plugin         string        `yaml:"plugin.name" values:"pgoutput" doc:"logical decoding plugin of the slot"`
	Slot           string        `yaml:"slot.name" doc:"replication slot, created if missing"`
	DropSlot       bool          `yaml:"slot.drop.on.stop" doc:"drop the slot when the connector stops in good order; what changes until the next start is then lost"`
	Failover       bool          `yaml:"slot.failover" doc:"create the slot so that standbys keep a copy of it (PostgreSQL 17)"`
	SlotRetries    int           `yaml:"slot.max.retries" doc:"how often to wait for a slot that another reader uses before the task is restarted"`
	SlotRetryDelay time.Duration `yaml:"slot.retry.delay.ms" doc:"longest pause between two such attempts"`
	RetainedMax    config.Size   `yaml:"slot.retained.max.bytes" doc:"WAL that the slot may keep on the server's disk: from half of it on, or when it is near at the rate of the last minutes, the log and the status warn, and nothing else happens; max_slot_wal_keep_size counts when it is smaller; 0 for that alone"`
	StreamParams   string        `yaml:"slot.stream.params" doc:"further options of START_REPLICATION: name=value;name=value"`
	Publication    string        `yaml:"publication.name" doc:"publication to read, created if publication.autocreate.mode says so"`
	Autocreate     string        `yaml:"publication.autocreate.mode" values:"disabled,all_tables,filtered,no_tables" doc:"whether a missing publication is created, and for which tables; filtered also adds captured tables to one that exists"`
	Identities     []string      `yaml:"replica.identity.autoset.values" doc:"replica identities to set at the start: regex:FULL, regex:DEFAULT, regex:NOTHING or regex:INDEX name; the role has to own the tables"`
	ViaRoot        bool          `yaml:"publish.via.partition.root" doc:"when the publication is created: publish changes of partitions as changes of the partitioned table"`
	TxMemory       config.Size   `yaml:"transaction.memory.max.bytes" doc:"memory for the changes of large transactions, which PostgreSQL 14 and newer send before they commit; what does not fit goes to a temporary file until then; 0 leaves them to the server, which is slower"`
	CatchUp        string        `yaml:"catch.up.mode" values:"auto,off" doc:"how a slot is read that is far behind: auto, in bulk by SQL until the rest is about a second's work, or as ever where the server refuses or lsn.flush.mode is manual; off, always by the streaming protocol"`
	FlushMode      string        `yaml:"lsn.flush.mode" alias:"flush.lsn.source!" values:"connector,manual,connector_and_driver" doc:"who tells PostgreSQL which WAL is no longer needed; manual: somebody else"`
	Mismatch       string        `yaml:"offset.mismatch.strategy" values:"no_validation,trust_offset,trust_slot,trust_greater_lsn" doc:"what to do when slot and stored offset do not fit: stop (trust_offset); go on from the slot when it is ahead of the offset (no_validation, trust_greater_lsn), and also when the offset is ahead of the server's WAL (trust_slot)"`
	Xmin           time.Duration `yaml:"xmin.fetch.interval.ms" doc:"how often to read the slot's catalog_xmin for source.xmin; 0 for never: source.xmin is then null"`
	StatusInterval time.Duration `yaml:"status.update.interval.ms" doc:"how often PostgreSQL is told that the connector is alive and which WAL it no longer needs"`
}

// Capture says which changes of which tables and columns to read.
type Capture struct {
	TablesIn    []string `yaml:"table.include.list" alias:"table.whitelist!" doc:"regular expressions of the tables to capture, each matched against the whole of schema.table, ignoring case"`
	TablesOut   []string `yaml:"table.exclude.list" alias:"table.blacklist!" doc:"regular expressions of the tables not to capture"`
	SchemasIn   []string `yaml:"schema.include.list" alias:"schema.whitelist!" doc:"regular expressions of the schemas to capture"`
	SchemasOut  []string `yaml:"schema.exclude.list" alias:"schema.blacklist!" doc:"regular expressions of the schemas not to capture"`
	ColumnsIn   []string `yaml:"column.include.list" alias:"column.whitelist!" doc:"regular expressions of the columns to capture, matched against schema.table.column; key columns always stay in the key"`
	ColumnsOut  []string `yaml:"column.exclude.list" alias:"column.blacklist!" doc:"regular expressions of the columns not to capture"`
	SkippedOps  []string `yaml:"skipped.operations" doc:"operations not to capture: c (insert), u (update), d (delete), t (truncate), or none"`
	Unchanged   bool     `yaml:"skip.messages.without.change" doc:"leave out updates that change no captured column; the table needs REPLICA IDENTITY FULL"`
	Builtin     bool     `yaml:"table.ignore.builtin" doc:"leave out the table spatial_ref_sys of PostGIS; system tables are never captured"`
	MaxTables   int      `yaml:"guardrail.collections.max" doc:"most tables to capture; 0 for any number"`
	OverMax     string   `yaml:"guardrail.collections.limit.action" values:"warn,fail" doc:"what more tables than that do: a warning, or the task fails"`
	KeyColumns  string   `yaml:"message.key.columns" doc:"key columns of tables, instead of their primary keys: regex:column,column;regex:column"`
	PrefixIn    []string `yaml:"message.prefix.include.list" doc:"regular expressions of the prefixes of logical messages (pg_logical_emit_message) to capture; all when empty"`
	PrefixOut   []string `yaml:"message.prefix.exclude.list" doc:"regular expressions of the prefixes not to capture"`
	UnknownType bool     `yaml:"include.unknown.datatypes" doc:"write types that Debezium has no form for as the octets of their text; otherwise they are their text"`
}

// Values says in which form values are written.
type Values struct {
	Decimal     string `yaml:"decimal.handling.mode" values:"precise,double,string" doc:"numeric and money as Connect's Decimal, as a floating-point number, or as text"`
	Time        string `yaml:"time.precision.mode" values:"adaptive,adaptive_time_microseconds,connect,isostring,microseconds,nanoseconds" doc:"unit and type of dates and times without a zone"`
	Interval    string `yaml:"interval.handling.mode" values:"numeric,string" doc:"intervals in microseconds, or as ISO 8601 text"`
	HStore      string `yaml:"hstore.handling.mode" values:"json,map" doc:"hstore as JSON text, or as a map"`
	Binary      string `yaml:"binary.handling.mode" values:"bytes,base64,base64-url-safe,hex" doc:"bytea as octets, or as text in that encoding"`
	MoneyDigits int    `yaml:"money.fraction.digits" doc:"decimal places of money"`
	Unavailable string `yaml:"unavailable.value.placeholder" alias:"toasted.value.placeholder!" doc:"what stands for a large value that an update did not change and PostgreSQL therefore did not send; hex: in front of octets"`
	Compat      string `yaml:"compat.mode" values:"connectd,debezium" doc:"connectd: every value as PostgreSQL has it; debezium: also where Debezium loses or changes it (see docs/migrate-from-debezium.md)"`
	OnBadEvent  string `yaml:"event.processing.failure.handling.mode" values:"fail,warn,skip,ignore" doc:"what a change does that can not be read: fail the task, or be left out with (warn) or without (skip, ignore) a warning"`
	OnFailure   string `yaml:"event.converting.failure.handling.mode" values:"fail,warn,skip" doc:"what a value without a form does, such as NaN in a precise decimal: fail the task, or become null with (warn) or without (skip) a warning"`
}

// Topics says which records there are, and where they go.
type Topics struct {
	Prefix           string        `yaml:"topic.prefix" alias:"database.server.name!" required:"true" doc:"first part of the topics' names, name of the source, and key of the stored offset"`
	Delimiter        string        `yaml:"topic.delimiter" doc:"what stands between the parts of a topic's name"`
	Tombstones       bool          `yaml:"tombstones.on.delete" doc:"follow each delete by a record with a null value, so that compaction removes the key"`
	Heartbeat        time.Duration `yaml:"heartbeat.interval.ms" doc:"how often to send a heartbeat record; 0 for never"`
	HeartbeatPrefix  string        `yaml:"topic.heartbeat.prefix" alias:"heartbeat.topics.prefix!" doc:"first part of the heartbeat topic's name; the prefix follows"`
	HeartbeatTopic   string        `yaml:"topic.heartbeat.name" doc:"whole name of the heartbeat topic"`
	HeartbeatQuery   string        `yaml:"heartbeat.action.query" doc:"SQL statement to run with each heartbeat"`
	Transactions     bool          `yaml:"provide.transaction.metadata" doc:"write each transaction's begin and end to a topic of its own, and its id and the change's place in it into each change"`
	TransactionTopic string        `yaml:"topic.transaction" doc:"last part of that topic's name; the prefix is in front of it"`
	Headers          bool          `yaml:"extended.headers.enabled" doc:"put the connector's name, the task and a run id into headers of each record"`
	BatchSize        int           `yaml:"max.batch.size" doc:"most records in one batch"`
}

// maxBatchBytes ends a batch before max.batch.size does when rows are large.
const maxBatchBytes = 1 << 20

// Defaults are Debezium's, but for those that harm: the plugin that every server has, a
// publication of the captured tables only, and an offset that must fit its slot.
func (c *Config) Defaults() {
	*c = Config{}
	c.Port = 5432
	c.SSLMode = "prefer"
	c.KeepAlive = true
	c.Timeout = 10 * time.Minute
	c.Plugin = "pgoutput"
	c.Slot = "debezium"
	c.SlotRetries = 6
	c.SlotRetryDelay = 10 * time.Second
	c.RetainedMax = 10 << 30
	c.Publication = "dbz_publication"
	c.Autocreate = "filtered"
	c.TxMemory = 8 << 20
	c.CatchUp = "auto"
	c.FlushMode = "connector"
	c.Mismatch = "trust_offset"
	c.StatusInterval = 10 * time.Second
	c.SkippedOps = []string{"t"}
	c.Snapshot = Snapshot{Mode: "initial", Threads: 2, Order: "disabled"}
	c.Decimal = "precise"
	c.Time = "adaptive"
	c.Interval = "numeric"
	c.HStore = "json"
	c.Binary = "bytes"
	c.MoneyDigits = 2
	c.Unavailable = "__debezium_unavailable_value"
	c.Compat = "connectd"
	c.OnFailure, c.OnBadEvent = "fail", "fail"
	c.Builtin, c.OverMax = true, "warn"
	c.Delimiter = "."
	c.Tombstones = true
	c.HeartbeatPrefix = "__debezium-heartbeat"
	c.TransactionTopic = "transaction"
	c.BatchSize = 512
	c.Signals.defaults()
	c.Naming, c.SchemaNames, c.FieldNames = schemaNaming, "none", "none"
	c.Missing, c.Nulls, c.OnError = true, true, "warn"
}
