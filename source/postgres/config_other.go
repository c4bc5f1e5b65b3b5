package postgres

// schemaNaming is the one topic naming strategy there is: prefix.schema.table.
const schemaNaming = "io.debezium.schema.SchemaTopicNamingStrategy"

// Unsupported are properties that would change what is written; a connector that sets them is
// refused rather than run without them.
type Unsupported struct {
	Overrides    []string          `yaml:"snapshot.select.statement.overrides" doc:"tables with a SELECT of their own in the snapshot; not supported yet"`
	Override     map[string]string `yaml:"snapshot.select.statement.overrides.*" doc:"that SELECT; not supported yet"`
	Converters   []string          `yaml:"converters" doc:"custom converters are Java classes; not supported"`
	Identities   string            `yaml:"replica.identity.autoset.values" doc:"replica identities to set; not supported yet"`
	Transactions bool              `yaml:"provide.transaction.metadata" doc:"transaction topic and blocks; not supported yet"`
	Unchanged    bool              `yaml:"skip.messages.without.change" doc:"leave out updates that change nothing captured; not supported yet"`
	Naming       string            `yaml:"topic.naming.strategy" doc:"topic naming strategy; only the default is supported"`
}

// Ignored are properties that mean nothing here, or steer what connectd does in another way.
type Ignored struct {
	SchemaChanges    string `yaml:"include.schema.changes" noeffect:"PostgreSQL has no schema change topic"`
	SchemaHistory    string `yaml:"schema.history.internal.*" noeffect:"PostgreSQL sends the schema with the changes"`
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
	ModeBased        string `yaml:"snapshot.mode.configuration.based.*" noeffect:"snapshot.mode configuration_based is not supported yet"`
	ThreadFactor     string `yaml:"snapshot.max.threads.multiplier" noeffect:"ranges of large tables have a fixed size"`
	LegacyThreads    string `yaml:"legacy.snapshot.max.threads" noeffect:"all readers share one snapshot"`
	SchemaOfChunks   string `yaml:"incremental.snapshot.allow.schema.changes" noeffect:"schemas may always change while an incremental snapshot runs: the chunk is read again"`
	SignalPollWait   string `yaml:"signal.kafka.poll.timeout.ms" noeffect:"signals come as they are written"`
	PrefixIn         string `yaml:"message.prefix.include.list" noeffect:"logical messages are not captured yet"`
	PrefixOut        string `yaml:"message.prefix.exclude.list" noeffect:"logical messages are not captured yet"`
	Comments         string `yaml:"include.schema.comments" noeffect:"schemas do not carry comments"`
	Refresh          string `yaml:"schema.refresh.mode" noeffect:"a changed table is announced by PostgreSQL itself"`
	Guardrail        string `yaml:"guardrail.collections.*" noeffect:"the number of tables is not limited"`
	Builtin          string `yaml:"table.ignore.builtin" noeffect:"system tables are never captured"`
	Xmin             string `yaml:"xmin.fetch.interval.ms" noeffect:"source.xmin is always null"`
	FlushTimeout     string `yaml:"lsn.flush.timeout.ms" noeffect:"confirming an LSN does not wait"`
	FlushAction      string `yaml:"lsn.flush.timeout.action" noeffect:"confirming an LSN does not wait"`
	TopicCache       string `yaml:"topic.cache.size" noeffect:"each captured table keeps its topic's name"`
	TopicTransaction string `yaml:"topic.transaction" noeffect:"transaction metadata is not supported yet"`
	TransactionMaker string `yaml:"transaction.metadata.factory" noeffect:"it names a Java class"`
	EventFailure     string `yaml:"event.processing.failure.handling.mode" noeffect:"a change that can not be read always stops the task"`
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
