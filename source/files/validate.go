package files

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"

	"connectd/config"
	"connectd/convert"
)

// Validate checks ranges and combinations.
func (c *Config) Validate(r *config.Report) {
	c.validateSelection(r)
	c.validateCleanup(r)
	c.validateReading(r)
	c.validateCSV(r)
	switch c.timestamp() {
	case "field":
		if c.TimeField == "" {
			r.Errorf("timestamp.field", "is missing; name the column with the time, or set timestamp.mode to PROCESS_TIME")
		}
	default:
		if c.TimeField != "" {
			r.Errorf("timestamp.field", "has no effect while timestamp.mode is %s; write FIELD", c.Timestamp)
		}
	}
}

func (c *Config) validateSelection(r *config.Report) {
	if c.Path == "" && c.Name == "" && len(c.Include) == 0 {
		r.Errorf("input.path", "is missing; name the folder to read files from, or write include with absolute globs")
	}
	c.validateBucket(r)
	for _, list := range []struct {
		key   string
		globs []string
	}{{"include", c.Include}, {"exclude", c.Exclude}, {"temporary.names", c.Temporary}} {
		for _, g := range list.globs {
			if !doublestar.ValidatePattern(g) {
				r.Errorf(list.key, "%q is not a glob; write * ? [a-z] {a,b} and ** for folders", g)
			}
			if list.key == "include" && c.Path == "" && c.Name == "" && !isAbsolute(g) {
				r.Errorf(list.key, "%q is relative and there is no input.path; write an absolute path, or set input.path", g)
			}
		}
	}
	if c.Poll < 0 {
		r.Errorf("poll.interval.ms", "is not a pause; write 1 or more, or 0 for the default")
	}
	if c.IgnoreOlder < 0 {
		r.Errorf("ignore.older.ms", "is negative; write how long a file may be untouched, such as 24h, or 0")
	}
	if c.Fingerprint < 16 || c.Fingerprint > 1<<20 {
		r.Errorf("fingerprint.bytes", "is %s; write a size from 16 bytes to 1MiB", c.Fingerprint)
	}
}

// validateBucket checks what is about buckets: all that is read, and what it is moved to, is in
// buckets or in folders.
func (c *Config) validateBucket(r *config.Report) {
	c.ValidateConnection(r)
	if c.Name != "" && c.Path != "" {
		r.Errorf("s3.bucket.name", "says the same as input.path; write one of the two")
	}
	if c.Prefix != "" && c.Name == "" {
		r.Errorf("aws.s3.bucket.prefix", "has no effect without s3.bucket.name")
	}
	if c.Attempts < 1 {
		r.Errorf("s3.part.retries", "is %d; write 1 or more", c.Attempts)
	}
	if !c.inBucket() {
		for _, p := range []struct{ key, dir string }{{"finished.path", c.Finished}, {"error.path", c.ErrorPath}} {
			if strings.HasPrefix(p.dir, bucketScheme) {
				r.Errorf(p.key, "%q is in a bucket and input.path is not; files are moved between folders only", p.dir)
			}
		}
		return
	}
	if c.Mode == "tail" {
		r.Errorf("mode", "tail is for files that grow, and objects in buckets do not; write complete")
	}
	for _, p := range []struct{ key, path string }{{"input.path", c.location()}, {"finished.path", c.Finished}, {"error.path", c.ErrorPath}} {
		name, _ := split(p.path)
		if p.path != "" && (!strings.HasPrefix(p.path, bucketScheme) || name == "") {
			r.Errorf(p.key, "%q is no bucket; write s3://bucket/prefix", p.path)
		}
	}
	for _, g := range c.Include {
		if name, _ := split(g); filepath.IsAbs(g) || strings.HasPrefix(g, bucketScheme) && (name == "" || strings.ContainsAny(name, "*?[{")) {
			r.Errorf("include", "%q names no bucket; write s3://bucket/ and a glob", g)
		}
	}
}

// inBucket says whether the files are objects in buckets.
func (c *Config) inBucket() bool {
	if path := c.location(); path != "" {
		return strings.HasPrefix(path, bucketScheme)
	}
	return len(c.Include) > 0 && strings.HasPrefix(c.Include[0], bucketScheme)
}

// location is input.path, or what FilePulse's keys say in its place.
func (c *Config) location() string {
	if c.Path == "" && c.Name != "" {
		return bucketScheme + c.Name + "/" + c.Prefix
	}
	return c.Path
}

// interval is how often files are listed. A listing of a bucket costs time and money.
func (c *Config) interval() time.Duration {
	switch {
	case c.Poll > 0:
		return c.Poll
	case c.inBucket():
		return 10 * time.Second
	}
	return 500 * time.Millisecond
}

func (c *Config) validateCleanup(r *config.Report) {
	if c.CleanupClass != "" && c.cleanup() == "" {
		r.Errorf("fs.cleanup.policy.class", "%q is not a class that is known; write cleanup.policy", c.CleanupClass)
	}
	moves := strings.HasPrefix(c.cleanup(), "move")
	if moves && c.Finished == "" {
		r.Errorf("finished.path", "is missing; name the folder that finished files are moved to")
	}
	if c.Mode == "tail" && c.cleanup() != "none" {
		r.Errorf("cleanup.policy", "is for mode complete; files that grow are never finished")
	}
	if from, err := absolute(c.location()); c.location() != "" && err == nil {
		for _, p := range []struct{ key, dir string }{{"finished.path", c.Finished}, {"error.path", c.ErrorPath}} {
			if to, err := absolute(p.dir); p.dir != "" && err == nil && to == from {
				r.Errorf(p.key, "is the folder that is read; name another one")
			}
		}
	}
}

func (c *Config) validateReading(r *config.Report) {
	if c.ReaderClass != "" && c.readerFormat() == "" {
		r.Errorf("tasks.reader.class", "%q is not supported yet; rows, JSON, Avro and Parquet are, or write format", c.ReaderClass)
	}
	if _, err := convert.Charset(c.Charset); err != nil {
		r.Errorf("file.charset", "%v", err)
	}
	if c.MaxLine < 64 || c.MaxLine > 1<<30 {
		r.Errorf("max.line.bytes", "is %s; write a size from 64 bytes to 1GiB", c.MaxLine)
	}
	for _, n := range []struct {
		key   string
		value int
	}{{"parallel.files", c.Parallel}, {"parallel.ranges", c.Ranges}, {"batch.size", c.BatchSize}, {"multiline.max.lines", c.MultilineMax}} {
		if n.value < 1 {
			r.Errorf(n.key, "is %d; write 1 or more", n.value)
		}
	}
	switch quoted := (c.Format == "csv" || c.Format == "tsv") && c.Quote != 0; {
	case c.Ranges < 2:
	case c.Mode == "tail":
		r.Errorf("parallel.ranges", "is for mode complete; a file that grows is read in its order")
	case quoted:
		r.Errorf("parallel.ranges", "needs csv.quote.char: 0; with quotes, a value may have line ends, and nobody can tell from the middle of a file")
	case c.Multiline != nil, c.Format == "json", c.Format == "parquet", c.Format == "avro":
		r.Errorf("parallel.ranges", "has no effect here; it is for JSON lines, single lines, and CSV without quotes")
	}
	if c.BatchBytes < 1 {
		r.Errorf("batch.bytes", "is %d; write 1 or more", c.BatchBytes)
	}
	if c.Multiline != nil && c.Format != "lines" {
		r.Errorf("multiline.pattern", "is for format lines; write format: lines")
	}
}

func (c *Config) validateCSV(r *config.Report) {
	if c.Separator == 0 || c.Separator == c.Quote || c.Separator == '\n' {
		r.Errorf("csv.separator.char", "can not be nothing, the quote or a line end")
	}
	if c.Quote != 0 && c.Quote == c.Escape {
		r.Errorf("csv.escape.char", "is the quote; a doubled quote needs no csv.escape.char")
	}
	if c.SkipLines < 0 {
		r.Errorf("csv.skip.lines", "is %d; write 0 or more", c.SkipLines)
	}
	if c.Sample < 0 {
		r.Errorf("csv.sample.rows", "is %d; write 0 or more", c.Sample)
	}
	for column, name := range c.Types {
		if _, err := columnType(name); err != nil {
			r.Errorf("csv.types", "%s: %v", column, err)
		}
	}
}

// cleanup is what becomes of a finished file: none, delete, move or move-by-date; "" when
// FilePulse's class says nothing that is known.
func (c *Config) cleanup() string {
	if c.CleanupClass != "" {
		switch name := c.CleanupClass[strings.LastIndexByte(c.CleanupClass, '.')+1:]; name {
		case "LogCleanupPolicy":
			return "none"
		case "DeleteCleanupPolicy", "AmazonS3DeleteCleanupPolicy":
			return "delete"
		case "LocalMoveCleanupPolicy", "MoveCleanupPolicy", "AmazonS3MoveCleanupPolicy":
			return "move"
		}
		return ""
	}
	if c.Cleanup == "MOVEBYDATE" {
		return "move-by-date"
	}
	return strings.ToLower(c.Cleanup)
}

// timestamp is process, file or field.
func (c *Config) timestamp() string {
	return strings.TrimSuffix(strings.ToLower(c.Timestamp), "_time")
}

// readerFormat is the format of FilePulse's reader class; "" when there is none.
func (c *Config) readerFormat() string {
	switch {
	case strings.HasSuffix(c.ReaderClass, "RowFileInputReader"):
		return "lines"
	case strings.HasSuffix(c.ReaderClass, "JSONFileInputReader"):
		return "json"
	case strings.HasSuffix(c.ReaderClass, "AvroFileInputReader"):
		return "avro"
	case strings.HasSuffix(c.ReaderClass, "ParquetFileInputReader"):
		return "parquet"
	}
	return ""
}

// adopt completes what is left to auto by the class that the connector's file names.
func (c *Config) adopt(class string) {
	mode, format := "complete", "auto"
	switch name := class[strings.LastIndexByte(class, '.')+1:]; name {
	case "FileStreamSourceConnector", "FileStreamSource":
		mode, format = "tail", "lines"
	case "SpoolDirCsvSourceConnector":
		format = "csv"
	case "SpoolDirLineDelimitedSourceConnector":
		format = "lines"
	case "SpoolDirJsonSourceConnector", "SpoolDirSchemaLessJsonSourceConnector":
		format = "json"
	case "SpoolDirAvroSourceConnector":
		format = "avro"
	case "FilePulseSourceConnector":
		format = c.readerFormat()
	}
	if c.Mode == "auto" {
		c.Mode = mode
	}
	if c.Format == "auto" && format != "" {
		c.Format = format
	}
}

// character is a character of one byte, or 0 for none.
type character byte

// UnmarshalText reads a character, \t, or a number of two or more digits such as 44; 9 and 0 are
// numbers too.
func (c *character) UnmarshalText(text []byte) error {
	s := string(text)
	switch {
	case s == `\t`:
		*c = '\t'
		return nil
	case len(s) == 1 && s != "0" && s != "9" && s[0] < utf8.RuneSelf:
		*c = character(s[0])
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 7)
	if err != nil {
		return errors.New("write one ASCII character, \\t, or a character's number such as 44")
	}
	*c = character(n)
	return nil
}

// String is the character itself.
func (c character) String() string {
	switch c {
	case 0:
		return "0"
	case '\t':
		return `\t`
	}
	return fmt.Sprintf("%c", byte(c))
}
