package postgres

// Columns says what is done to columns before they are written, and what their schemas tell.
type Columns struct {
	Mask        map[string]string `yaml:"column.mask.*" doc:"columns (regular expressions of schema.table.column) whose text is replaced: with.N.chars by N asterisks, hash.ALGORITHM.with.salt.SALT or hash.v2.ALGORITHM.with.salt.SALT by a hash (v2: of salt and text, without Java's serialization between them); keys are not masked"`
	Truncate    map[string]string `yaml:"column.truncate.to.*" doc:"N.chars: columns whose text or octets are cut off after N"`
	ColumnTypes []string          `yaml:"column.propagate.source.type" doc:"columns whose schemas tell their type, length, scale and name in the database (parameters __debezium.source.column.…)"`
	DataTypes   []string          `yaml:"datatype.propagate.source.type" doc:"the same for all columns of a type: regular expressions of schema.table.type"`
	SchemaNames string            `yaml:"schema.name.adjustment.mode" values:"none,avro,avro_unicode" doc:"what becomes of characters in schemas' names that Avro does not allow: nothing, an underscore, or _u and their code"`
	FieldNames  string            `yaml:"field.name.adjustment.mode" values:"none,avro,avro_unicode" doc:"the same for the names of fields"`
	Processors  []string          `yaml:"post.processors" values:"reselector" doc:"reselector: read again what PostgreSQL did not send, by the row's key"`
	Reselect
}

// Reselect is the post processor reselector.
type Reselect struct {
	Type        string   `yaml:"reselector.type" values:"io.debezium.processors.reselect.ReselectColumnsPostProcessor" doc:"Debezium's class of this post processor"`
	ReselectIn  []string `yaml:"reselector.reselect.columns.include.list" doc:"columns to read again, schema.table:column; all when empty"`
	ReselectOut []string `yaml:"reselector.reselect.columns.exclude.list" doc:"columns not to read again, schema.table:column"`
	Missing     bool     `yaml:"reselector.reselect.unavailable.values" doc:"read large values again that an update did not change"`
	Nulls       bool     `yaml:"reselector.reselect.null.values" doc:"read nulls again"`
	EventKey    bool     `yaml:"reselector.reselect.use.event.key" doc:"find the row by the record's key instead of the table's primary key"`
	OnError     string   `yaml:"reselector.reselect.error.handling.mode" values:"warn,fail" doc:"what happens when the row is not found or the query does not work: the values stay as they are, with a warning, or the task fails"`
}
