package files

import (
	"log/slog"
	"strings"
	"testing"

	"connectd/connect"
)

func TestConfigErrors(t *testing.T) {
	for name, test := range map[string]struct {
		settings []string
		want     string
	}{
		"no topic":         {[]string{"input.path", "/in"}, "topic: is missing"},
		"no files":         {[]string{"topic", "t"}, "input.path: is missing; name the folder to read files from"},
		"relative glob":    {[]string{"topic", "t", "include", "*.csv"}, `include: "*.csv" is relative and there is no input.path`},
		"bad glob":         {[]string{"topic", "t", "include", "/in/[a"}, `include: "/in/[a" is not a glob`},
		"no bucket":        {[]string{"topic", "t", "input.path", "s3:///p"}, `input.path: "s3:///p" is no bucket; write s3://bucket/prefix`},
		"bucket and tail":  {[]string{"topic", "t", "input.path", "s3://b/p", "mode", "tail"}, "mode: tail is for files that grow"},
		"bucket to folder": {[]string{"topic", "t", "input.path", "s3://b/p", "cleanup.policy", "MOVE", "finished.path", "/done"}, `finished.path: "/done" is no bucket`},
		"folder to bucket": {[]string{"topic", "t", "input.path", "/in", "cleanup.policy", "MOVE", "finished.path", "s3://b/done"}, `finished.path: "s3://b/done" is in a bucket and input.path is not`},
		"same prefix":      {[]string{"topic", "t", "input.path", "s3://b/p", "cleanup.policy", "MOVE", "finished.path", "s3://b/p/"}, "finished.path: is the folder that is read"},
		"bucket twice":     {[]string{"topic", "t", "input.path", "s3://b/p", "s3.bucket.name", "b"}, "s3.bucket.name: says the same as input.path"},
		"prefix alone":     {[]string{"topic", "t", "input.path", "s3://b/p", "aws.s3.bucket.prefix", "p"}, "aws.s3.bucket.prefix: has no effect"},
		"glob of buckets":  {[]string{"topic", "t", "input.path", "s3://b/p", "include", "s3://*/x"}, `include: "s3://*/x" names no bucket`},
		"half a key":       {[]string{"topic", "t", "input.path", "s3://b/p", "aws.access.key.id", "k"}, "aws.access.key.id: needs aws.secret.access.key"},
		"attempts":         {[]string{"topic", "t", "input.path", "s3://b/p", "s3.part.retries", "0"}, "s3.part.retries: is 0"},
		"poll":             {[]string{"topic", "t", "input.path", "/in", "poll.interval.ms", "-1"}, "poll.interval.ms: "},
		"no finished path": {[]string{"topic", "t", "input.path", "/in", "cleanup.policy", "MOVE"}, "finished.path: is missing"},
		"same path":        {[]string{"topic", "t", "input.path", "/in", "cleanup.policy", "MOVE", "finished.path", "/in/"}, "finished.path: is the folder that is read"},
		"tail and delete":  {[]string{"topic", "t", "input.path", "/in", "mode", "tail", "cleanup.policy", "DELETE"}, "cleanup.policy: is for mode complete"},
		"charset":          {[]string{"topic", "t", "input.path", "/in", "file.charset", "klingon"}, `file.charset: "klingon" is not a character set`},
		"reader":           {[]string{"topic", "t", "input.path", "/in", "tasks.reader.class", "io.streamthoughts.kafka.connect.filepulse.fs.reader.LocalXMLFileInputReader"}, "not supported yet"},
		"separator":        {[]string{"topic", "t", "input.path", "/in", "csv.separator.char", "34"}, "csv.separator.char: can not be nothing, the quote"},
		"character":        {[]string{"topic", "t", "input.path", "/in", "csv.quote.char", "||"}, "csv.quote.char: "},
		"type":             {[]string{"topic", "t", "input.path", "/in", "csv.types", "a=money"}, `csv.types: a: "money" is not a type`},
		"time field":       {[]string{"topic", "t", "input.path", "/in", "timestamp.mode", "FIELD"}, "timestamp.field: is missing"},
		"unused time":      {[]string{"topic", "t", "input.path", "/in", "timestamp.field", "at"}, "timestamp.field: has no effect while timestamp.mode is PROCESS_TIME"},
		"multiline":        {[]string{"topic", "t", "input.path", "/in", "multiline.pattern", "^x", "format", "csv"}, "multiline.pattern: is for format lines"},
		"ranges of CSV":    {[]string{"topic", "t", "input.path", "/in", "format", "csv", "parallel.ranges", "2"}, "parallel.ranges: needs csv.quote.char: 0"},
		"ranges and tail":  {[]string{"topic", "t", "input.path", "/in", "mode", "tail", "parallel.ranges", "2"}, "parallel.ranges: is for mode complete"},
		"ranges of JSON":   {[]string{"topic", "t", "input.path", "/in", "format", "json", "parallel.ranges", "2"}, "parallel.ranges: has no effect here"},
		"no ranges":        {[]string{"topic", "t", "input.path", "/in", "parallel.ranges", "0"}, "parallel.ranges: is 0"},
		"ignore older":     {[]string{"topic", "t", "input.path", "/in", "ignore.older.ms", "-1h"}, "ignore.older.ms: is negative"},
		"unknown":          {[]string{"topic", "t", "input.path", "/in", "includes", "*"}, "did you mean include?"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := decode(t, test.settings...)
			if err := problems.Err(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// The incumbents' classes and names of settings mean what they mean there.
func TestIncumbents(t *testing.T) {
	for name, test := range map[string]struct {
		class        string
		settings     []string
		mode, format string
		cleanup      string
	}{
		"FileStream": {"org.apache.kafka.connect.file.FileStreamSourceConnector", []string{"file", "/var/log/app.csv", "topic", "t", "batch.size", "2000"}, "tail", "lines", "none"},
		"spooldir CSV": {"com.github.jcustenborder.kafka.connect.spooldir.SpoolDirCsvSourceConnector", []string{
			"topic", "t", "input.path", "/in", "finished.path", "/done", "error.path", "/bad", "input.file.pattern", `^.*\.dat$`, "halt.on.error", "false",
			"csv.first.row.as.header", "true", "csv.separator.char", "44", "csv.null.field.indicator", "EMPTY_SEPARATORS", "cleanup.policy", "MOVE", "empty.poll.wait.ms", "500", "file.minimum.age.ms", "0",
			"schema.generation.enabled", "true", "schema.generation.key.fields", "id", "schema.generation.value.name", "Row", "csv.ignore.leading.whitespace", "true", "csv.verify.reader", "true"}, "complete", "csv", "move"},
		"spooldir JSON":  {"SpoolDirSchemaLessJsonSourceConnector", []string{"topic", "t", "input.path", "/in"}, "complete", "json", "none"},
		"spooldir Avro":  {"SpoolDirAvroSourceConnector", []string{"topic", "t", "input.path", "/in"}, "complete", "avro", "none"},
		"spooldir lines": {"SpoolDirLineDelimitedSourceConnector", []string{"topic", "t", "input.path", "/in", "cleanup.policy", "DELETE"}, "complete", "lines", "delete"},
		"FilePulse": {"io.streamthoughts.kafka.connect.filepulse.source.FilePulseSourceConnector", []string{
			"topic", "t", "fs.listing.directory.path", "/in", "fs.listing.interval.ms", "10000", "tasks.halt.on.error", "false", "tasks.file.processing.order.by", "LAST_MODIFIED", "max.scheduled.files", "1000", "file.filter.regex.pattern", `.*\.log$`,
			"fs.cleanup.policy.class", "io.streamthoughts.kafka.connect.filepulse.fs.clean.DeleteCleanupPolicy",
			"tasks.reader.class", "io.streamthoughts.kafka.connect.filepulse.fs.reader.LocalRowFileInputReader"}, "complete", "lines", "delete"},
		"FilePulse S3": {"io.streamthoughts.kafka.connect.filepulse.source.FilePulseSourceConnector", []string{
			"topic", "t", "fs.listing.class", "io.streamthoughts.kafka.connect.filepulse.fs.AmazonS3FileSystemListing", "aws.s3.bucket.name", "b", "aws.s3.bucket.prefix", "in/",
			"aws.s3.region", "eu-west-3", "aws.access.key.id", "k", "aws.secret.access.key", "s", "aws.s3.service.endpoint", "http://127.0.0.1:1", "aws.s3.path.style.access.enabled", "true",
			"fs.cleanup.policy.class", "io.streamthoughts.kafka.connect.filepulse.fs.clean.AmazonS3DeleteCleanupPolicy",
			"tasks.reader.class", "io.streamthoughts.kafka.connect.filepulse.fs.reader.AmazonS3AvroFileInputReader"}, "complete", "avro", "delete"},
	} {
		t.Run(name, func(t *testing.T) {
			c := settings(t, test.settings...)
			if _, err := New(c, connect.Env{Class: test.class, Log: slog.New(slog.DiscardHandler)}); err != nil {
				t.Fatal(err)
			}
			if c.Mode != test.mode || c.Format != test.format || c.cleanup() != test.cleanup {
				t.Errorf("mode %s, format %s, cleanup %s, want %s, %s, %s", c.Mode, c.Format, c.cleanup(), test.mode, test.format, test.cleanup)
			}
		})
	}
}
