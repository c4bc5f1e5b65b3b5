package clickhouse

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"connectd/config"
	"connectd/connect"
	"connectd/convert"
)

// Config is what may be set on a clickhouse-sink. The names are those of ClickHouse's and
// Altinity's connectors.
type Config struct {
	Host     string        `yaml:"hostname" alias:"clickhouse.server.url" required:"true" doc:"host of the server; also host:port, or a URL such as https://host:8443, clickhouse://host:9000/database or jdbc:ch://host:8123/database?user=me&ssl=true"`
	Port     int           `yaml:"port" alias:"clickhouse.server.port" doc:"port of the server: 8123 and 8443 speak HTTP, 9000 and 9440 the native protocol"`
	Database string        `yaml:"database" alias:"clickhouse.server.database" doc:"database of the target tables"`
	Username string        `yaml:"username" alias:"clickhouse.server.user" doc:"user to log in as"`
	Password config.Secret `yaml:"password" alias:"clickhouse.server.password" doc:"password of the user"`
	SSL      string        `yaml:"ssl" values:"auto,true,false" doc:"speak TLS; auto: on ports 8443 and 9440"`
	SNI      string        `yaml:"ssl_socket_sni" alias:"ssl.socket.sni" doc:"name that the server is asked for, and that its certificate must have, when it is reached by another one; empty: hostname"`
	Protocol string        `yaml:"protocol" values:"auto,http,native" doc:"protocol of the port; auto: native on ports 9000 and 9440, otherwise http"`
	Compress string        `yaml:"compression" values:"lz4,none" doc:"compression of what is sent"`

	ProxyType string `yaml:"proxyType" doc:"http: all goes through the HTTP proxy at proxyHost, with CONNECT where the server speaks TLS; direct: through none; ignore: as HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment say"`
	ProxyHost string `yaml:"proxyHost" doc:"host of the proxy"`
	ProxyPort int    `yaml:"proxyPort" doc:"port of the proxy"`

	TopicTables map[string]string `yaml:"topic2TableMap" alias:"clickhouse.topic2table.map" doc:"tables of single topics, as topic=table,topic2=table2; a topic may also be a regular expression, and $1 in its table what a group matches"`
	Split       bool              `yaml:"enableDbTopicSplit" doc:"a topic of two parts, such as shop.orders, is table orders in database shop"`
	SplitAt     string            `yaml:"dbTopicSplitChar" doc:"what is between the parts for enableDbTopicSplit: one of . _ -"`
	Databases   names             `yaml:"clickhouse.database.override.map" doc:"databases for those of the source, as from:to,from2:to2; the source's is what enableDbTopicSplit finds, or else the part of the topic before the table"`
	TableFormat string            `yaml:"table.name.format" doc:"table of a topic: ${topic} is its whole name, dots kept; ${table} the part after its last dot, ${schema} the part before that"`
	Settings    map[string]string `yaml:"clickhouseSettings" doc:"further settings of the inserts, as name=value,name2=value2; the ones that delivery depends on can not be changed"`

	Timeout       seconds `yaml:"timeoutSeconds" doc:"limit, in seconds, for connecting and for queries other than inserts"`
	InsertTimeout millis  `yaml:"clickhouseClientInsertTimeoutMs" doc:"limit, in milliseconds, for one insert"`
	Retries       int     `yaml:"retryCount" doc:"further attempts at an insert that the server refuses for the moment, before the flush fails and the runtime takes over"`
	Refresh       seconds `yaml:"tableRefreshInterval" doc:"how often, in seconds, a table's columns are read again; 0: only when the server says that they have changed"`

	ExactlyOnce   bool `yaml:"exactlyOnce" doc:"refuse tables whose engine does not deduplicate inserts"`
	AcceptAtLeast bool `yaml:"accept.at.least.once" doc:"write to tables that can not deduplicate (Distributed, Buffer, Null, Log) although exactlyOnce is set"`
	ManageWindow  bool `yaml:"clickhouse.dedup.window.manage" doc:"set non_replicated_deduplication_window on tables that have none; otherwise they are refused"`

	Expired string `yaml:"on.intent.expired" values:"fail,insert" doc:"flush that was begun so long ago that the table may have forgotten it, when neither versions nor _topic, _partition and _offset say what is there: stop, or insert and accept doubled rows"`

	Suppress    bool     `yaml:"suppressTableExistenceException" doc:"leave out and count the records of topics without a table"`
	Create      bool     `yaml:"auto.create" alias:"auto.create.tables" doc:"create a missing table from the records"`
	Replicated  bool     `yaml:"auto.create.tables.replicated" doc:"created tables have the replicated form of their engine; path and replica are the server's default_replica_path and default_replica_name"`
	Evolve      bool     `yaml:"auto.evolve" alias:"schema.evolution" doc:"add missing columns to a table"`
	Widen       bool     `yaml:"auto.evolve.widen" doc:"give a column a wider type when a value does not fit: Int32 becomes Int64, Decimal(9, 2) becomes Decimal(18, 2), a column that can not hold NULL becomes Nullable"`
	Keys        []string `yaml:"pk.fields" doc:"key columns; empty: the fields of the record's key"`
	Engine      string   `yaml:"clickhouse.table.engine" doc:"engine of created tables, with its arguments; empty: ReplacingMergeTree with a key, MergeTree without"`
	OrderBy     string   `yaml:"clickhouse.table.order.by" doc:"sorting key of created tables; empty: the key columns"`
	PartitionBy string   `yaml:"clickhouse.table.partition.by" doc:"partition key of created tables"`
	TTL         string   `yaml:"clickhouse.table.ttl" doc:"TTL expression of created tables"`
	TableOpts   string   `yaml:"clickhouse.table.settings" doc:"settings of created tables; non_replicated_deduplication_window is added when it is not among them"`
	Cluster     string   `yaml:"clusterName" doc:"cluster for the ON CLUSTER of CREATE and ALTER TABLE"`

	Deleted     string  `yaml:"replacingmergetree.delete.column" doc:"column that marks deleted rows with 1"`
	Version     string  `yaml:"replacingmergetree.version.column" doc:"column that decides which row of a key is the newest"`
	Epoch       int     `yaml:"replacingmergetree.version.epoch" doc:"raise by one after a topic was created anew, so that its offsets, which start at 0 again, make higher versions than before"`
	Range       string  `yaml:"out.of.range" values:"fail,dlq,clamp,null" doc:"value that its column can not hold: fail and dlq leave the record to errors.tolerance, clamp stores the nearest value that it can hold, null stores NULL where the column allows it"`
	Placeholder string  `yaml:"unavailable.value.placeholder" doc:"what the source writes for a large value that an update did not change and that the source does not know (TOAST), in all the forms that Debezium gives it; hex: in front of octets; empty: everything is a value"`
	Unavailable string  `yaml:"unavailable.value.handling" values:"fail,lookup,default" doc:"record with such a placeholder: fail leaves it to errors.tolerance, lookup takes the value that is stored for its key, default stores NULL or the empty value of the column's type"`
	Formats     formats `yaml:"dateTimeFormats" doc:"formats of moments in text, as column=pattern;column2=pattern2 with patterns of Java's DateTimeFormatter; without one it is ISO 8601"`
	Envelopes   bool    `yaml:"debeziumCDCEnabled" doc:"values are Debezium's envelopes and are taken apart here, as by the unwrap transform: deletes mark their row as deleted, and the version is the place in the source's log"`
	NoDeletes   bool    `yaml:"ignore_delete" alias:"ignore.delete" doc:"leave out and count all deletes"`
	StructJSON  bool    `yaml:"auto.evolve.struct.to.json" doc:"columns that are created for structs have the type JSON, whatever json.columns says"`
	Nested      string  `yaml:"nested.columns" values:"json,tuple,flatten" doc:"created columns for structs: one as json.columns says, a Tuple with a type for each field, or flatten: a column for each field, as struct_field, for existing tables too"`
	JSON        string  `yaml:"json.columns" values:"String,JSON" doc:"type of created columns for JSON"`
	Unbound     string  `yaml:"numeric.unbounded" values:"String,Decimal" doc:"type of created columns for decimals without a precision; Decimal is Decimal(76, 38)"`
	MaxRows     int     `yaml:"insert.max.rows" doc:"most rows of one insert; a flush with more is sent in several"`

	BufferRows int    `yaml:"bufferCount" alias:"buffer.max.records" doc:"the connectors' name for batch.max.rows, which it gives way to; 0: 100000, if that is not written either"`
	BufferTime millis `yaml:"bufferFlushTime" alias:"buffer.flush.time.ms" doc:"the connectors' name for linger.ms, in milliseconds, which it gives way to; 0: the runtime's default, if that is not written either"`

	ZKPath      string `yaml:"zkPath" noeffect:"the state of exactly-once delivery is in the consumer group"`
	ZKDatabase  string `yaml:"zkDatabase" noeffect:"the state of exactly-once delivery is in the consumer group"`
	KeeperOn    string `yaml:"keeperOnCluster" noeffect:"the state of exactly-once delivery is in the consumer group"`
	Tolerate    bool   `yaml:"tolerateStateMismatch" noeffect:"a rewind of the consumer group is always followed"`
	JDBC        string `yaml:"jdbcConnectionProperties" noeffect:"no JDBC driver is used; clickhouseSettings sets server settings"`
	Reporting   bool   `yaml:"reportInsertedOffsets" noeffect:"only offsets of inserted records are ever committed"`
	RowBinary   bool   `yaml:"bypassRowBinary" noeffect:"inserts are columnar and name their columns"`
	CustomRows  bool   `yaml:"customInsertFormat" noeffect:"inserts are columnar; a converter that makes objects of the values, such as json, takes the place of texts in the server's formats"`
	Format      string `yaml:"insertFormat" noeffect:"inserts are columnar; a converter that makes objects of the values, such as json, takes the place of texts in the server's formats"`
	RawData     string `yaml:"store.raw.data" noeffect:"only the columns of the table are written"`
	NoCheck     bool   `yaml:"bypassSchemaValidation" noeffect:"every value is checked against its column"`
	NoCleanup   bool   `yaml:"bypassFieldCleanup" noeffect:"fields are never renamed"`
	Retry       string `yaml:"auto.evolve.ddl.refresh.retries" noeffect:"columns are read again after every change"`
	AnyPart     string `yaml:"ignorePartitionsWhenBatching" noeffect:"an insert holds the records of one partition, so that it can be repeated exactly; batch.max.rows and linger.ms make inserts larger"`
	Client      string `yaml:"clientVersion" noeffect:"there is one client"`
	Threads     string `yaml:"thread.pool.size" noeffect:"every partition has a writer of its own; tasks.max shares the partitions among tasks"`
	Single      string `yaml:"single.threaded" noeffect:"every partition has a writer of its own, and keeps its order"`
	DedupPolicy string `yaml:"deduplication.policy" noeffect:"the versions of the rows decide which of a key is the newest"`
	Snowflake   string `yaml:"snowflake.id" noeffect:"versions are places in the source's log, or offsets"`
	KafkaOffset string `yaml:"enable.kafka.offset" noeffect:"_topic, _partition and _offset are filled in where the table has such columns"`
	OffsetTable string `yaml:"kafka.offset.metadata.table" noeffect:"offsets are in the consumer group"`
	RawBytes    string `yaml:"persist.raw.bytes" noeffect:"bytes are stored as they are"`
	Zone        string `yaml:"clickhouse.datetime.timezone" noeffect:"moments are stored as such; text without a zone is UTC"`
}

// Defaults are ClickHouse's own connector's, except that delivery is exactly once.
func (c *Config) Defaults() {
	*c = Config{
		Port: 8443, Database: "default", Username: "default", SSL: "auto", Protocol: "auto", Compress: "lz4", ProxyType: "ignore",
		TableFormat: "${topic}", SplitAt: ".",
		Timeout: seconds(30 * time.Second), InsertTimeout: millis(4 * time.Minute), Retries: 3,
		ExactlyOnce: true, ManageWindow: true, Expired: expiredFail,
		Deleted: "_is_deleted", Version: "_version",
		Range: "fail", Placeholder: "__debezium_unavailable_value", Unavailable: unavailableFail, JSON: "String", Nested: nestedJSON, Unbound: "String", MaxRows: 1_000_000,
	}
}

// What becomes of structs.
const (
	nestedJSON    = "json"
	nestedTuple   = "tuple"
	nestedFlatten = "flatten"
)

// maxEpoch leaves 48 bits of a version to the offset.
const maxEpoch = 1<<15 - 1

// maxInsertRows is below the max_insert_block_size of every server, so that a block that is sent
// whole is inserted whole.
const maxInsertRows = 1_000_000

var variable = regexp.MustCompile(`\$\{[^}]*\}?`)

// Validate checks ranges and combinations.
func (c *Config) Validate(r *config.Report) {
	if at, err := c.address(); err != nil {
		r.Errorf("hostname", "%v", err)
	} else {
		c.adopt(r)
		c.validateWay(r, at)
	}
	for _, v := range variable.FindAllString(c.TableFormat, -1) {
		if v != "${topic}" && v != "${schema}" && v != "${table}" {
			r.Errorf("table.name.format", "%s is not known; write ${topic}, ${schema} or ${table}", v)
		}
	}
	if strings.TrimSpace(c.TableFormat) == "" {
		r.Errorf("table.name.format", "is empty; write ${topic} for the name of the topic")
	}
	for _, key := range slices.Sorted(maps.Keys(c.TopicTables)) {
		if _, err := regexp.Compile(key); isExpression(key) && err != nil {
			r.Errorf("topic2TableMap", "%q is not a regular expression: %v", key, err)
		}
	}
	if c.SplitAt != "." && c.SplitAt != "_" && c.SplitAt != "-" {
		r.Errorf("dbTopicSplitChar", "%q is not . or _ or -", c.SplitAt)
	}
	if c.BufferRows < 0 {
		r.Errorf("bufferCount", "%d is negative; write 0 or more", c.BufferRows)
	}
	if c.Retries < 0 {
		r.Errorf("retryCount", "%d is negative; write 0 or more", c.Retries)
	}
	if c.Timeout <= 0 {
		r.Errorf("timeoutSeconds", "is not a limit; write 1 or more")
	}
	if c.InsertTimeout <= 0 {
		r.Errorf("clickhouseClientInsertTimeoutMs", "is not a limit; write 1 or more")
	}
	if c.Epoch < 0 || c.Epoch > maxEpoch {
		r.Errorf("replacingmergetree.version.epoch", "%d is out of range; write a number from 0 to %d", c.Epoch, maxEpoch)
	}
	if c.MaxRows < 1 || c.MaxRows > maxInsertRows {
		r.Errorf("insert.max.rows", "%d is out of range; write a number from 1 to %d", c.MaxRows, maxInsertRows)
	}
	if _, err := convert.NewPlaceholder(c.Placeholder); err != nil {
		r.Errorf("unavailable.value.placeholder", "%v", err)
	}
	for name := range c.Settings {
		if deliverySettings[name] {
			r.Errorf("clickhouseSettings", "%s is set by the delivery protocol; remove it", name)
		}
	}
	if c.Replicated && c.Engine != "" {
		r.Errorf("auto.create.tables.replicated", "has no effect beside clickhouse.table.engine; write Replicated there")
	}
	if c.Widen && c.Range != "fail" && c.Range != "dlq" {
		r.Errorf("auto.evolve.widen", "contradicts out.of.range: %s, which changes the values that would need a wider column; remove one of them", c.Range)
	}
	if !c.ExactlyOnce && c.AcceptAtLeast {
		r.Warnf("accept.at.least.once", "has no effect without exactlyOnce")
	}
}

// What a partition's insert grows to under load: ClickHouse takes few large inserts three times as
// fast as many of a tenth of their size.
const (
	batchRows  = 100_000
	batchBytes = 32 << 20
)

// Batching hands the connectors' own names to the runtime, which cuts the ranges.
func (c *Config) Batching() connect.Batching {
	b := connect.Batching{Rows: batchRows, Bytes: batchBytes, Linger: time.Duration(c.BufferTime), Whole: true}
	if c.BufferRows > 0 {
		b.Rows = c.BufferRows
	}
	return b
}
