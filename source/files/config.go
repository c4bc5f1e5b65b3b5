package files

import (
	"regexp"
	"time"

	"connectd/config"
	"connectd/internal/s3client"
)

// Config is what may be set on a files-source. The names are those of the spooldir connectors,
// of FilePulse and of Kafka's FileStreamSource.
type Config struct {
	Selection
	Bucket
	Reading
	Lines
	CSV
	Records
	Ignored
}

// Selection says which files are read, and what becomes of them.
type Selection struct {
	Path      string         `yaml:"input.path" alias:"fs.listing.directory.path,fs.scan.directory.path" doc:"folder to read files from, or s3://bucket/prefix"`
	Include   []string       `yaml:"include" alias:"file" doc:"globs of the files to read, absolute (/folder/* or s3://bucket/*) or below input.path; ** stands for any folders"`
	Exclude   []string       `yaml:"exclude" doc:"globs of the files not to read"`
	Pattern   *regexp.Regexp `yaml:"input.file.pattern" alias:"file.filter.regex.pattern" doc:"regular expression that the whole name of a file must match"`
	Recursive bool           `yaml:"input.path.walk.recursively" alias:"fs.recursive.scan.enable" doc:"read the folders below input.path too; globs with ** always do"`
	Temporary []string       `yaml:"temporary.names" doc:"globs of names that are left alone: files that are still being written"`
	Order     string         `yaml:"files.sort.attributes" alias:"tasks.file.processing.order.by" values:"NameAsc,NameDesc,LastModifiedAsc,LastModifiedDesc,LengthAsc,LengthDesc,name,mtime,URI,LAST_MODIFIED,CONTENT_LENGTH,CONTENT_LENGTH_DESC" doc:"which of several files is read first"`
	Poll      time.Duration  `yaml:"poll.interval.ms" alias:"empty.poll.wait.ms,fs.listing.interval.ms" doc:"how often the folders are listed; between two listings inotify tells of changes where the file system can. 0 is 500ms for folders and 10s for buckets"`
	Watch     bool           `yaml:"watch" doc:"use inotify beside polling"`

	Mode         string        `yaml:"mode" values:"auto,complete,tail" doc:"complete: a file is read once, when it is ready; tail: files grow and are rotated; auto: complete, and tail for FileStreamSource"`
	MinimumAge   time.Duration `yaml:"file.minimum.age.ms" doc:"mode complete: a file is ready when it was not written for so long"`
	Stable       time.Duration `yaml:"file.stable.ms" doc:"mode complete: a file is ready when two looks at it, so far apart, see the same size and time; objects in buckets are ready at once"`
	Marker       string        `yaml:"file.marker.suffix" doc:"mode complete: a file is ready when one with its name and this suffix, such as .done, exists"`
	Cleanup      string        `yaml:"cleanup.policy" values:"NONE,DELETE,MOVE,MOVEBYDATE,none,delete,move,move-by-date" doc:"mode complete: what becomes of a file whose records and position are durable"`
	CleanupClass string        `yaml:"fs.cleanup.policy.class" doc:"FilePulse's class for cleanup.policy: LogCleanupPolicy, DeleteCleanupPolicy, LocalMoveCleanupPolicy, AmazonS3DeleteCleanupPolicy or AmazonS3MoveCleanupPolicy"`
	Finished     string        `yaml:"finished.path" alias:"cleaner.output.succeeded.path" doc:"folder that finished files are moved to, or s3://bucket/prefix for objects"`
	ErrorPath    string        `yaml:"error.path" alias:"cleaner.output.failed.path" doc:"folder, or s3://bucket/prefix, that files are moved to which can not be read, when halt.on.error is false"`
	KeepTree     bool          `yaml:"cleanup.policy.maintain.relative.path" doc:"keep the folders below input.path when a file is moved"`
	Halt         bool          `yaml:"halt.on.error" alias:"tasks.halt.on.error" doc:"stop when a file can not be read; otherwise it is moved to error.path, or left, and the next one is read"`

	FinalizeAfter time.Duration `yaml:"finalize.after.ms" doc:"mode tail: take a last line without a line end as complete when nothing followed for so long; 0 for never"`
	RotateWait    time.Duration `yaml:"rotate.wait.ms" doc:"mode tail: how long a file that was rotated away or deleted is still read from when nothing is added to it"`
	StartAt       string        `yaml:"read.from" alias:"read_from" values:"beginning,end" doc:"mode tail: where files that are there at the very first start are read from"`
	IgnoreOlder   time.Duration `yaml:"ignore.older.ms" alias:"ignore_older" doc:"leave files alone that are new here and were not written for so long; 0 for none"`
	Retention     time.Duration `yaml:"state.retention.ms" doc:"how long the position of a file is kept that is no longer there"`
}

// Bucket is about files in S3-compatible buckets.
type Bucket struct {
	s3client.Connection
	Name     string `yaml:"s3.bucket.name" alias:"aws.s3.bucket.name" doc:"FilePulse's way to write input.path: the bucket of s3://bucket/prefix"`
	Prefix   string `yaml:"aws.s3.bucket.prefix" doc:"FilePulse's way to write input.path: the prefix of s3://bucket/prefix"`
	Attempts int    `yaml:"s3.part.retries" alias:"aws.s3.backoff.max.retries" doc:"attempts at a request before the task is started again"`
}

// Reading says how files become records.
type Reading struct {
	Format      string      `yaml:"format" values:"auto,jsonl,json,csv,tsv,lines,parquet,avro" doc:"what is in the files; auto goes by the name: .csv, .tsv, .jsonl, .ndjson, .json, .parquet, .avro, and lines for the others"`
	ReaderClass string      `yaml:"tasks.reader.class" doc:"FilePulse's class for format: its row readers read lines, its JSON readers json, its Avro and Parquet readers those"`
	Compression string      `yaml:"compression" alias:"file.compression.type" values:"auto,none,gzip,zstd,snappy" doc:"gzip, zstd and framed snappy are recognised by content, whichever of them is written here; none reads files as they are"`
	Charset     string      `yaml:"file.charset" alias:"csv.file.charset,file.encoding" doc:"character set of the files; a byte order mark wins over it"`
	NotUTF8     string      `yaml:"invalid.characters" values:"fail,replace,keep,skip" doc:"what a record does that is not UTF-8: fail (errors.tolerance decides), be written with U+FFFD, be kept as it is, or be left out"`
	MaxLine     config.Size `yaml:"max.line.bytes" doc:"longest record"`
	LongLine    string      `yaml:"on.long.line" values:"fail,skip,truncate" doc:"what a longer record does: fail (errors.tolerance decides), be left out, or be cut off"`
	Fingerprint config.Size `yaml:"fingerprint.bytes" doc:"how many bytes from the begin of a file tell it from others"`
	Parallel    int         `yaml:"parallel.files" doc:"files that are read at the same time"`
	Ranges      int         `yaml:"parallel.ranges" doc:"mode complete: ranges of one large file that are read at the same time. More than 1 gives up the order of its records and the header file.line. For uncompressed files of JSON lines, lines, and CSV without quotes (csv.quote.char: 0)"`
	BatchSize   int         `yaml:"batch.size" alias:"max.batch.size" doc:"most records in one batch"`
	BatchBytes  config.Size `yaml:"batch.bytes" doc:"a batch is sent when it has this much data"`
}

// Lines is about plain lines.
type Lines struct {
	SkipEmpty      bool           `yaml:"lines.skip.empty" doc:"format lines: leave empty lines out"`
	Multiline      *regexp.Regexp `yaml:"multiline.pattern" doc:"format lines: lines are put together by this regular expression, see multiline.match"`
	MultilineMatch string         `yaml:"multiline.match" values:"start,continue" doc:"start: a line that matches begins a record; continue: a line that matches belongs to the record before"`
	MultilineMax   int            `yaml:"multiline.max.lines" doc:"most lines in one record"`
	MultilineWait  time.Duration  `yaml:"multiline.timeout.ms" doc:"mode tail: send what was put together when no line followed for so long"`
}

// CSV is about CSV and TSV.
type CSV struct {
	Separator  character         `yaml:"csv.separator.char" alias:"separator" doc:"what separates columns: a character, or its number as spooldir has it"`
	Quote      character         `yaml:"csv.quote.char" doc:"what stands around values with separators or line ends; 0 for nothing"`
	Escape     character         `yaml:"csv.escape.char" doc:"what takes the meaning from the next character in quotes, beside a doubled quote; 0 for nothing"`
	SkipLines  int               `yaml:"csv.skip.lines" alias:"skip.headers" doc:"lines at the begin of each file to leave out, before the header"`
	Header     bool              `yaml:"csv.first.row.as.header" doc:"the first row of each file names its columns"`
	Columns    []string          `yaml:"csv.columns" doc:"names of the columns; with csv.first.row.as.header instead of those in the file"`
	Null       string            `yaml:"csv.null.field.indicator" values:"NEITHER,EMPTY_SEPARATORS,EMPTY_QUOTES,BOTH" doc:"which empty values are null: none, those without quotes, those with quotes, or both"`
	NullMarker string            `yaml:"csv.null.marker" doc:"a value without quotes that is null, such as \\N"`
	Missing    string            `yaml:"csv.missing.columns" values:"null,fail" doc:"what a row with too few values does: have null for the others, or fail"`
	Extra      string            `yaml:"csv.extra.columns" values:"fail,ignore" doc:"what a row with too many values does: fail, or lose them"`
	Types      map[string]string `yaml:"csv.types" doc:"types of columns, such as id=int64,price=decimal(2),at=timestamp: int64, double, boolean, string, decimal(digits), date, timestamp"`
	Sample     int               `yaml:"csv.sample.rows" doc:"find the types of the other columns from the first rows of a file, this many; 0 leaves them text"`
}

// Records says what records look like.
type Records struct {
	Topic     string   `yaml:"topic" alias:"kafka.topic" required:"true" doc:"topic that the records go to"`
	KeyFields []string `yaml:"key.fields" alias:"schema.generation.key.fields" doc:"columns or JSON members that make the key: one is the key itself, several are an object"`
	Timestamp string   `yaml:"timestamp.mode" values:"PROCESS_TIME,FILE_TIME,FIELD,process,file,field" doc:"time of the records: when they were read, when the file was written, or what timestamp.field says"`
	TimeField string   `yaml:"timestamp.field" alias:"csv.timestamp.field" doc:"column or JSON member with the record's time, in ISO 8601 or milliseconds since 1970"`
	Metadata  string   `yaml:"metadata.location" values:"HEADERS,NONE" doc:"put file.name, file.path, file.offset and file.line into headers of each record"`
	JSON      string   `yaml:"json.values" values:"auto,raw,fields" doc:"raw: JSON goes on byte for byte after a check; fields: its members become fields, which transforms can change; auto: fields when there are transforms"`
}

// Ignored are keys of the incumbents that are accepted and do nothing.
type Ignored struct {
	Processing  string `yaml:"processing.file.extension" noeffect:"there are no flag files: positions are kept in Kafka"`
	RFC4180     string `yaml:"csv.rfc.4180.parser.enabled" noeffect:"CSV is always read as RFC 4180 has it"`
	KeepEmpty   string `yaml:"csv.ignore.quotations" noeffect:"quotes are read as RFC 4180 has them; set csv.quote.char to 0 for none"`
	SchemaGen   string `yaml:"schema.generation.enabled" noeffect:"columns are text unless csv.types or csv.sample.rows says otherwise"`
	KeyName     string `yaml:"schema.generation.key.name" noeffect:"keys have no schema name"`
	ValueName   string `yaml:"schema.generation.value.name" noeffect:"values have no schema name"`
	Spaces      string `yaml:"csv.ignore.leading.whitespace" noeffect:"spaces are a part of a value, as RFC 4180 has it"`
	Return      string `yaml:"csv.keep.carriage.return" noeffect:"a carriage return ends a row only before a line feed"`
	Verify      string `yaml:"csv.verify.reader" noeffect:"nothing needs it"`
	MaxFiles    string `yaml:"max.scheduled.files" noeffect:"files are read one after the other, see parallel.files"`
	FirstBuffer string `yaml:"buffer.initial.bytes.size" noeffect:"buffers are sized by max.line.bytes"`
	LeastRead   string `yaml:"min.read.records" noeffect:"what is there is sent at once"`
	ReadWait    string `yaml:"read.max.wait.ms" noeffect:"a task waits until there is something"`
	Partitioner string `yaml:"task.partitioner.class" noeffect:"one task reads several files at the same time, see parallel.files"`
	Reconfigure string `yaml:"allow.tasks.reconfiguration.after.timeout.ms" noeffect:"there is nothing to reconfigure: one task reads all files"`
	TaskCount   string `yaml:"task.partitioner" noeffect:"one task reads several files at the same time, see parallel.files"`
	TaskCountN  string `yaml:"task.count" noeffect:"one task reads several files at the same time, see parallel.files"`
	TaskIndex   string `yaml:"task.index" noeffect:"one task reads several files at the same time, see parallel.files"`
	Buffer      string `yaml:"file.buffer.size.bytes" noeffect:"buffers are sized by max.line.bytes"`
	ListClass   string `yaml:"fs.listing.class" noeffect:"input.path says where the files are"`
	Filters     string `yaml:"fs.listing.filters" noeffect:"file.filter.regex.pattern and globs always apply"`
	EmptyWait   string `yaml:"tasks.empty.poll.wait.ms" noeffect:"a task waits until there is something"`
	Trigger     string `yaml:"fs.cleanup.policy.triggered.on" noeffect:"a file is cleaned up only when its records and its position are durable (COMMITTED)"`
	Status      string `yaml:"tasks.file.status.storage.*" noeffect:"positions are kept in the offsets topic"`
	Identity    string `yaml:"offset.attributes.string" noeffect:"files are known by content, inode and path together"`
	Policy      string `yaml:"offset.policy.class" noeffect:"files are known by content, inode and path together"`
	CaseFields  string `yaml:"csv.case.sensitive.field.names" noeffect:"names of columns are used as they are written"`
	StrictQuote string `yaml:"csv.strict.quotes" noeffect:"CSV is always read as RFC 4180 has it"`
}

// Defaults are the incumbents' where they do no harm: the first row of a CSV file is its header,
// and a file is not read while it is being written.
func (c *Config) Defaults() {
	*c = Config{}
	c.Temporary = []string{".*", "*.tmp", "*.temp", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.swp", "*~", "*.PROCESSING"}
	c.Order = "NameAsc"
	c.Connection = s3client.ConnectionDefaults()
	c.Attempts = 3
	c.Watch = true
	c.Mode = "auto"
	c.Stable = 500 * time.Millisecond
	c.Cleanup = "NONE"
	c.Halt = true
	c.RotateWait = 30 * time.Second
	c.StartAt = "beginning"
	c.Retention = 7 * 24 * time.Hour
	c.Format = "auto"
	c.Compression = "auto"
	c.Charset = "UTF-8"
	c.NotUTF8 = "fail"
	c.MaxLine = 1 << 20
	c.LongLine = "fail"
	c.Fingerprint = 1024
	c.Parallel = 2
	c.Ranges = 1
	c.BatchSize = 1000
	c.BatchBytes = 1 << 20
	c.MultilineMatch = "start"
	c.MultilineMax = 500
	c.MultilineWait = 2 * time.Second
	c.Separator, c.Quote = ',', '"'
	c.Header = true
	c.Null = "NEITHER"
	c.Missing = "null"
	c.Extra = "fail"
	c.Timestamp = "PROCESS_TIME"
	c.Metadata = "HEADERS"
	c.JSON = "auto"
}
