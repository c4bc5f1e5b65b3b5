package postgres

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"connectd/config"
	"connectd/connect"
	"connectd/convert"
)

// Config is what may be set on a postgres-sink. The names are those of Confluent's and Debezium's
// JDBC sinks.
type Config struct {
	URL         string        `yaml:"connection.url" required:"true" doc:"database to write to: postgres://host:port/database, or the same as jdbc:postgresql://…"`
	User        string        `yaml:"connection.user" alias:"connection.username" doc:"role to connect as, when the URL does not name one"`
	Password    config.Secret `yaml:"connection.password" doc:"password of that role"`
	Attempts    int           `yaml:"connection.attempts" alias:"connection.retry.attempts" doc:"how often a connection is tried before the task restarts"`
	Backoff     time.Duration `yaml:"connection.backoff.ms" doc:"pause between two of these tries"`
	Connections int           `yaml:"connection.pool.max_size" doc:"most connections of one task; each partition needs one while it flushes"`

	InsertMode    string   `yaml:"insert.mode" values:"insert,upsert,update,ignore" doc:"what a record does: add a row, add or replace it by key, change an existing row only, or add it unless it is there"`
	KeyMode       string   `yaml:"pk.mode" alias:"primary.key.mode" values:"none,kafka,record_key,record_value,record_header" doc:"where the primary key's columns come from: nowhere, the record's topic, partition and offset, its key, fields of its value, or its headers"`
	KeyFields     []string `yaml:"pk.fields" alias:"primary.key.fields" doc:"names of the primary key's columns; empty takes all fields of the key (record_key) or of the value (record_value); with record_header the names of headers; after table: those of one table, as in id,orders:id,region"`
	DeleteEnabled bool     `yaml:"delete.enabled" doc:"delete the row of a tombstone, of an envelope with op d, or of a record that the unwrap transform has marked with __deleted"`
	NullToDefault bool     `yaml:"replace.null.with.default" doc:"write the default of the record's schema where the value is null: the incumbents' default, ours is off because the null is lost"`
	Text          string   `yaml:"string.output.value.column.name" doc:"column of a value that is not an object with fields, such as a text or a number"`
	Timestamps    []string `yaml:"timestamp.fields.list" doc:"fields that hold a moment as an integer without a schema that says so, counted from 1970"`
	Precision     string   `yaml:"timestamp.precision.mode" values:"milliseconds,microseconds,nanoseconds" doc:"unit of the fields in timestamp.fields.list; a timestamp has microseconds, to which nanoseconds are rounded"`
	CloudEvents   string   `yaml:"cloud.events.schema.name.pattern" doc:"values whose schema has a name that this regular expression matches are CloudEvents: their data is the value, an envelope or a row"`
	Truncate      bool     `yaml:"truncate.enabled" doc:"empty the table when its source was truncated (op t of an envelope); the topic should have one partition, or rows of the others may be emptied too early or too late"`
	Metadata      bool     `yaml:"metadata.columns" doc:"write the record's place into the columns _topic, _partition and _offset"`
	MetaTopic     string   `yaml:"metadata.columns.topic" doc:"column of the topic, with metadata.columns; empty: none"`
	MetaPartition string   `yaml:"metadata.columns.partition" doc:"column of the partition, with metadata.columns; empty: none"`
	MetaOffset    string   `yaml:"metadata.columns.offset" doc:"column of the offset, with metadata.columns; empty: none"`
	MetaTimestamp string   `yaml:"metadata.columns.timestamp" doc:"column of the record's time in Kafka, with metadata.columns; empty: none"`
	Missing       string   `yaml:"upsert.missing.fields" values:"keep,null" doc:"what an upsert does to the columns that the record does not have: leave them alone, or set them to null"`
	Placeholder   string   `yaml:"unavailable.value.placeholder" doc:"what the source writes for a large value that did not change, or hex: and its octets; in each of its forms (text, base64, arrays, objects) the column is left alone"`
	NullByte      string   `yaml:"null.byte" values:"dlq,fail,strip" doc:"what a NUL character in a text does, which PostgreSQL can not store: fail the record by errors.tolerance, stop the task, or drop the character"`
	Timezone      string   `yaml:"db.timezone" alias:"use.time.zone,database.time_zone" doc:"time zone of columns without one, such as UTC or Europe/Berlin"`

	Range string `yaml:"out.of.range" values:"fail,dlq,clamp,null" doc:"number that its column can not hold, by size or by digits after the point: fail and dlq leave the record to errors.tolerance, clamp stores the nearest value that it can hold, null stores NULL where the column allows it"`

	AutoCreate bool   `yaml:"auto.create" doc:"create a table that does not exist"`
	AutoEvolve bool   `yaml:"auto.evolve" doc:"add a column that does not exist"`
	Widen      bool   `yaml:"auto.evolve.widen" doc:"give a column a wider type when a value does not fit: smallint and integer become bigint or numeric, numeric and varchar get more room, real becomes double precision"`
	Evolution  string `yaml:"schema.evolution" values:"none,validate-only,basic" doc:"basic is auto.create and auto.evolve together; none and validate-only change no table: a field without a column stops the task, and the error has the statement that would add it"`

	TableFormat  string            `yaml:"table.name.format" alias:"collection.name.format" doc:"table for a topic, with its schema before a dot; ${topic} is the topic with dots made underscores, ${schema} and ${table} are the topic's last two parts, ${source.schema} and the like are fields of the envelope's source block, or what the unwrap transform has added of it"`
	TableMapping map[string]string `yaml:"topics.to.tables.mapping" doc:"tables of single topics, topic:table, which come before table.name.format"`
	Normalize    bool              `yaml:"table.name.normalize" doc:"make every character of a table name that is not a letter, a digit or _ an underscore"`
	TableStyle   string            `yaml:"collection.naming.strategy" alias:"table.naming.strategy" values:"default,snake,camel,lower,upper" doc:"style that the names of tables are brought into; default takes them as they are"`
	ColumnStyle  string            `yaml:"column.naming.strategy" values:"default,snake,camel,lower,upper" doc:"style that the names of columns are brought into; default takes them as they are"`
	Whitelist    []string          `yaml:"fields.whitelist" doc:"fields of the value to write; empty writes all"`
	Include      []string          `yaml:"field.include.list" alias:"fields.include" doc:"fields to write, as regular expressions of field or topic:field"`
	Exclude      []string          `yaml:"field.exclude.list" alias:"fields.exclude" doc:"fields not to write, as regular expressions of field or topic:field"`
	Quote        string            `yaml:"quote.sql.identifiers" alias:"quote.identifiers,sql.quote.identifiers" values:"always,never,true,false" doc:"always: names are taken as they are written; never: upper case becomes lower case, as PostgreSQL does to names without quotes"`

	BatchSize     int           `yaml:"batch.size" doc:"most rows of one statement; batch.max.rows says how many share a transaction"`
	BatchMode     string        `yaml:"keyed.message.batch.mode" values:"deduplication,passthrough" doc:"what a transaction does to a key that changes several times: write its last state only, or end before the second change, so that triggers see each one; that is for pk.mode record_key, and slow where keys often come again"`
	Retries       int           `yaml:"max.retries" alias:"flush.max.retries" doc:"how often a transaction that lost a conflict with another one (deadlock, lock timeout) is tried again in place; everything that heals by waiting is retried without end by the task's restarts"`
	RetryBackoff  time.Duration `yaml:"retry.backoff.ms" alias:"flush.retry.delay.ms" doc:"pause before it is tried again"`
	Offsets       string        `yaml:"offsets.storage" values:"target,kafka" doc:"where the position is kept: with the rows, in one transaction (exactly once), or in the consumer group only (at least once)"`
	Recreated     string        `yaml:"on.topic.recreated" values:"fail,reset" doc:"what to do when a topic was deleted and created again, so that the stored offset is that of another one: stop, or read the new topic from its start"`
	ExactlyOnce   bool          `yaml:"exactlyOnce" doc:"refuse to run where the role may not create the table of the offsets; otherwise that is a warning, and delivery at least once"`
	OffsetsSchema string        `yaml:"offsets.schema" doc:"schema of the table _connectd_offsets; empty is the first one of the role's search_path"`

	noEffect

	location         *time.Location
	placeholder      *convert.Placeholder // nil when everything is a value
	include, exclude *regexp.Regexp
	cloudEvents      *regexp.Regexp
}

// noEffect are keys of the connectors that this one replaces which have nothing to do here.
type noEffect struct {
	Dialect     string `yaml:"dialect.name" noeffect:"the sink writes to PostgreSQL only"`
	SQLServer   string `yaml:"dialect.sqlserver.*" noeffect:"the sink writes to PostgreSQL only"`
	StarRocks   string `yaml:"dialect.starrocks.*" noeffect:"the sink writes to PostgreSQL only"`
	HoldLock    string `yaml:"mssql.use.merge.holdlock" noeffect:"the sink writes to PostgreSQL only"`
	Hibernate   string `yaml:"hibernate.*" noeffect:"no Hibernate is used"`
	Provider    string `yaml:"connection.provider" noeffect:"there is one pool of connections"`
	PoolStep    string `yaml:"connection.pool.acquire_increment" noeffect:"connections are made when a flush needs them"`
	TrimLog     string `yaml:"trim.sensitive.log" noeffect:"values are never logged"`
	Reduction   string `yaml:"use.reduction.buffer" noeffect:"rows of keyed tables are always reduced to the last one of each key"`
	Unnest      string `yaml:"dialect.postgres.unnest.insert.enabled" noeffect:"rows are always written in bulk, by COPY"`
	PostGIS     string `yaml:"dialect.postgres.postgis.schema" noeffect:"the types of PostGIS are looked for in the role's search_path"`
	RestartOn   string `yaml:"connection.restart.on.errors" noeffect:"a lost connection is always made again"`
	PoolMin     string `yaml:"connection.pool.min_size" noeffect:"connections are made when a flush needs them"`
	PoolTimeout string `yaml:"connection.pool.timeout" noeffect:"connections are kept until the task stops"`
	DateZone    string `yaml:"date.timezone" noeffect:"dates have no time zone"`
	Calendar    string `yaml:"date.calendar.system" noeffect:"dates are of the proleptic Gregorian calendar, as PostgreSQL's are"`
	TableTypes  string `yaml:"table.types" noeffect:"tables, partitioned and foreign ones too, are written to; views are refused"`
}

// Defaults are the incumbents', but for what costs data or speed without need.
func (c *Config) Defaults() {
	*c = Config{
		Attempts: 3, Backoff: 10 * time.Second, Connections: 4,
		InsertMode: "insert", KeyMode: "none", Missing: "keep",
		Placeholder: "__debezium_unavailable_value", NullByte: "dlq", Range: "dlq", Timezone: "UTC",
		MetaTopic: "_topic", MetaPartition: "_partition", MetaOffset: "_offset",
		Text: "record_value", Precision: "microseconds", TableStyle: "default", ColumnStyle: "default",
		Evolution: "none", TableFormat: "${topic}", Quote: "always", CloudEvents: `.*CloudEvents\.Envelope$`,
		BatchMode: "deduplication", BatchSize: 100_000, Retries: 10, RetryBackoff: 3 * time.Second,
		Offsets: "target", Recreated: "fail", location: time.UTC,
	}
}

// Validate checks ranges and combinations.
func (c *Config) Validate(r *config.Report) {
	if _, err := parseURL(c); err != nil && c.URL != "" {
		r.Errorf("connection.url", "%v; write postgres://host:port/database or jdbc:postgresql://host:port/database", err)
	}
	switch {
	case c.Evolution == "basic":
		c.AutoCreate, c.AutoEvolve = true, true
	case c.Evolution == "validate-only" && (c.AutoCreate || c.AutoEvolve):
		r.Errorf("schema.evolution", "is validate-only, but auto.create or auto.evolve is true; write schema.evolution: basic, or remove them")
	}
	if c.Widen && !c.AutoEvolve {
		r.Errorf("auto.evolve.widen", "has no effect without auto.evolve; write auto.evolve: true, or remove it")
	}
	for _, key := range []string{"topic", "partition", "offset", "timestamp"} {
		if key = "metadata.columns." + key; r.Set(key) && !c.Metadata {
			r.Errorf(key, "has no effect without metadata.columns; write metadata.columns: true, or remove it")
		}
	}
	if c.Text == "" {
		r.Errorf("string.output.value.column.name", "is empty; write the name of a column, such as record_value")
	}
	if c.ExactlyOnce && c.Offsets == "kafka" {
		r.Errorf("exactlyOnce", "contradicts offsets.storage: kafka, which is at least once; remove one of them")
	}
	c.validateKeys(r)
	c.validateNames(r)
	var err error
	if c.placeholder, err = convert.NewPlaceholder(c.Placeholder); err != nil {
		r.Errorf("unavailable.value.placeholder", "%v", err)
	}
	if c.location, err = time.LoadLocation(c.Timezone); err != nil {
		c.location = time.UTC
		r.Errorf("db.timezone", "%q is not a time zone; write a name such as UTC or Europe/Berlin", c.Timezone)
	}
	for key, n := range map[string]int{"connection.attempts": c.Attempts, "connection.pool.max_size": c.Connections, "batch.size": c.BatchSize} {
		if n < 1 {
			r.Errorf(key, "is %d; write 1 or more", n)
		}
	}
	if c.Retries < 0 {
		r.Errorf("max.retries", "is %d; write 0 or more", c.Retries)
	}
}

// validateKeys checks what insert.mode, pk.mode, pk.fields and delete.enabled need of each other.
func (c *Config) validateKeys(r *config.Report) {
	switch {
	case c.KeyMode == "none" && (c.InsertMode == "upsert" || c.InsertMode == "update"):
		r.Errorf("pk.mode", "is none, but insert.mode %s needs a key to find the row by; write pk.mode: record_key (or record_value with pk.fields)", c.InsertMode)
	case c.KeyMode == "none" && len(c.KeyFields) > 0:
		r.Errorf("pk.fields", "has no meaning with pk.mode none; write pk.mode: record_key or record_value")
	case c.KeyMode == "kafka" && strings.Contains(strings.Join(c.KeyFields, ""), ":"):
		r.Errorf("pk.fields", "names the columns of single tables; with pk.mode kafka they are the same in all tables: write three names, for topic, partition and offset")
	case c.KeyMode == "kafka" && len(c.KeyFields) != 0 && len(c.KeyFields) != 3:
		r.Errorf("pk.fields", "names %d columns; pk.mode kafka needs three, for topic, partition and offset, or none for the default names", len(c.KeyFields))
	case c.KeyMode == "record_header" && len(c.KeyFields) == 0:
		r.Errorf("pk.fields", "is empty; with pk.mode record_header write the names of the headers that are the key")
	}
	if c.BatchMode == "passthrough" {
		switch {
		case c.KeyMode == "record_value", c.KeyMode == "record_header":
			r.Errorf("keyed.message.batch.mode", "passthrough is for keys that are the records', and pk.mode is %s; write pk.mode: record_key, or deduplication", c.KeyMode)
		case strings.Contains(strings.Join(c.KeyFields, ""), ":"):
			r.Errorf("pk.fields", "names the columns of single tables, which does not go with keyed.message.batch.mode: passthrough; name the same for all, or write deduplication")
		}
	}
	if c.DeleteEnabled && (c.KeyMode == "none" || c.KeyMode == "kafka") {
		r.Errorf("delete.enabled", "needs the key of the row to delete, but pk.mode is %s; write pk.mode: record_key", c.KeyMode)
	}
	if c.DeleteEnabled && c.KeyMode == "record_value" {
		r.Warnf("delete.enabled", "with pk.mode record_value deletes only by records marked with __deleted: a tombstone has no value to take the key from; pk.mode: record_key deletes by both")
	}
}

// deletesByTombstones says whether a record without a value deletes the row of its key.
func (c *Config) deletesByTombstones() bool {
	return c.DeleteEnabled && (c.KeyMode == "record_key" || c.KeyMode == "record_header")
}

// validateNames checks how topics become tables and fields become columns.
func (c *Config) validateNames(r *config.Report) {
	if bad := unknownVariable(c.TableFormat); bad != "" {
		r.Errorf("table.name.format", "%s is not a variable; write ${topic}, ${schema}, ${table} or ${source.table}", bad)
	}
	for key, list := range map[string][]string{"field.include.list": c.Include, "field.exclude.list": c.Exclude} {
		if _, err := anyOf(list); err != nil {
			r.Errorf(key, "%v; correct it, or write the name of a field, or topic:field", err)
		}
	}
	if pattern, err := regexp.Compile("^(?:" + c.CloudEvents + ")$"); err != nil {
		r.Errorf("cloud.events.schema.name.pattern", "%q is not a regular expression; correct it, or remove it", c.CloudEvents)
	} else if c.CloudEvents != "" {
		c.cloudEvents = pattern
	}
	c.include, _ = anyOf(c.Include)
	c.exclude, _ = anyOf(c.Exclude)
	if len(c.Include) > 0 && len(c.Exclude) > 0 {
		r.Errorf("field.exclude.list", "is set together with field.include.list; remove one of them")
	}
}

// anyOf is a regular expression that matches the whole of what one of list matches, whatever the
// case; nil for an empty list.
func anyOf(list []string) (*regexp.Regexp, error) {
	if len(list) == 0 {
		return nil, nil
	}
	for _, s := range list {
		if _, err := regexp.Compile(s); err != nil {
			var wrong *syntax.Error
			if errors.As(err, &wrong) {
				err = errors.New(wrong.Code.String())
			}
			return nil, fmt.Errorf("%q is not a regular expression: %w", s, err)
		}
	}
	return regexp.Compile("(?i)^(?:" + strings.Join(list, "|") + ")$")
}

// writes says whether the field of topic's values goes into the table.
func (c *Config) writes(topic, field string) bool {
	if len(c.Whitelist) > 0 && !slices.Contains(c.Whitelist, field) {
		return false
	}
	qualified := topic + ":" + field
	if c.include != nil && !c.include.MatchString(field) && !c.include.MatchString(qualified) {
		return false
	}
	return c.exclude == nil || !c.exclude.MatchString(field) && !c.exclude.MatchString(qualified)
}

// linger is linger.ms where it is not written: a transaction of a few rows costs PostgreSQL
// little, so rows need not wait for others as long as where each flush leaves a part or an object.
const linger = 200 * time.Millisecond

// Batching is what the runtime takes for its defaults.
func (c *Config) Batching() connect.Batching { return connect.Batching{Linger: linger} }
