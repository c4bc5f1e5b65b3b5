package postgres

// schemaNaming is the one topic naming strategy there is: prefix.schema.table.
const schemaNaming = "io.debezium.schema.SchemaTopicNamingStrategy"

// Unsupported are properties that would change what is written; a connector that sets them is
// refused rather than run without them.
type Unsupported struct {
	Naming string `yaml:"topic.naming.strategy" doc:"topic naming strategy; only the default is supported"`
}

// Ignored are properties that mean nothing here, or steer what connectd does in another way.
type Ignored struct {
	Converters       string `yaml:"converters" noeffect:"custom converters are Java classes; compat.mode and the handling modes say in which form values are written"`
	Driver           string `yaml:"driver.*" noeffect:"it is a setting of the JDBC driver"`
	ConnectTimeout   string `yaml:"database.connectTimeout" noeffect:"it is a setting of the JDBC driver"`
	SocketTimeout    string `yaml:"database.socketTimeout" noeffect:"it is a setting of the JDBC driver"`
	LoginTimeout     string `yaml:"database.loginTimeout" noeffect:"it is a setting of the JDBC driver"`
	ApplicationName  string `yaml:"database.ApplicationName" noeffect:"connections are named after the connector"`
	SchemaChanges    string `yaml:"include.schema.changes" noeffect:"PostgreSQL has no schema change topic"`
	SchemaHistory    string `yaml:"schema.history.internal.*" noeffect:"PostgreSQL sends the schema with the changes"`
	DatabaseHistory  string `yaml:"database.history.*" noeffect:"PostgreSQL sends the schema with the changes"`
	SchemaHistoryTop string `yaml:"schema.history.internal" noeffect:"PostgreSQL sends the schema with the changes"`
	QueueSize        string `yaml:"max.queue.size" noeffect:"batches in flight are bounded by max.in.flight"`
	QueueBytes       string `yaml:"max.queue.size.in.bytes" noeffect:"batches in flight are bounded by max.in.flight"`
	QueueProvider    string `yaml:"queue.provider.type" noeffect:"there is no queue between reader and producer"`
	PollInterval     string `yaml:"poll.interval.ms" noeffect:"changes are pushed as they come"`
	QueryFetchSize   string `yaml:"query.fetch.size" noeffect:"catalog queries are read whole"`
	FetchSize        string `yaml:"snapshot.fetch.size" noeffect:"the snapshot is streamed by COPY"`
	LockTimeout      string `yaml:"snapshot.lock.timeout.ms" noeffect:"the snapshot takes no locks but those of reading"`
	Locking          string `yaml:"snapshot.locking.mode" noeffect:"the snapshot takes no locks but those of reading"`
	LockingCustom    string `yaml:"snapshot.locking.mode.custom.name" noeffect:"it names a Java class"`
	Isolation        string `yaml:"snapshot.isolation.mode" noeffect:"all readers share one repeatable-read snapshot"`
	QueryMode        string `yaml:"snapshot.query.mode" noeffect:"the snapshot is read by COPY"`
	QueryCustom      string `yaml:"snapshot.query.mode.custom.name" noeffect:"it names a Java class"`
	ModeCustom       string `yaml:"snapshot.mode.custom.name" noeffect:"it names a Java class"`
	ThreadFactor     string `yaml:"snapshot.max.threads.multiplier" noeffect:"ranges of large tables have a fixed size"`
	LegacyThreads    string `yaml:"legacy.snapshot.max.threads" noeffect:"all readers share one snapshot"`
	SchemaOfChunks   string `yaml:"incremental.snapshot.allow.schema.changes" noeffect:"schemas may always change while an incremental snapshot runs: the chunk is read again"`
	SignalPollWait   string `yaml:"signal.kafka.poll.timeout.ms" noeffect:"signals come as they are written"`
	Comments         string `yaml:"include.schema.comments" noeffect:"schemas do not carry comments"`
	Refresh          string `yaml:"schema.refresh.mode" noeffect:"a changed table is announced by PostgreSQL itself"`
	FlushTimeout     string `yaml:"lsn.flush.timeout.ms" noeffect:"confirming an LSN does not wait"`
	FlushAction      string `yaml:"lsn.flush.timeout.action" noeffect:"confirming an LSN does not wait"`
	TopicCache       string `yaml:"topic.cache.size" noeffect:"each captured table keeps its topic's name"`
	TransactionMaker string `yaml:"transaction.metadata.factory" noeffect:"it names a Java class"`
	Retries          string `yaml:"errors.max.retries" noeffect:"restarts follow restart.backoff.ms"`
	RestartWait      string `yaml:"retriable.restart.connector.wait.ms" noeffect:"restarts follow restart.backoff.ms"`
	ShutdownTimeout  string `yaml:"executor.shutdown.timeout.ms" noeffect:"the worker's own deadline ends a stop"`
	ValidateTimeout  string `yaml:"connection.validation.timeout.ms" noeffect:"connecting has a deadline of its own"`
	ConnectionMaker  string `yaml:"database.connection.factory.class" noeffect:"it names a Java class"`
	SSLFactory       string `yaml:"database.sslfactory" noeffect:"it names a Java class"`
	SourceInfo       string `yaml:"sourceinfo.struct.maker" noeffect:"it names a Java class"`
	Tags             string `yaml:"custom.metric.tags" noeffect:"metrics have the labels connector and task"`
	Sanitize         string `yaml:"custom.sanitize.pattern" noeffect:"secrets are never shown"`
	Statistics       string `yaml:"statistics.metrics.enabled" noeffect:"metrics are always on"`
	OpenLineage      string `yaml:"openlineage.*" noeffect:"OpenLineage is not supported"`
	Internal         string `yaml:"internal.*" noeffect:"it steers Debezium's own code"`
}
