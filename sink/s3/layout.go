package s3

import (
	"strings"
	"time"

	"connectd/config"
)

// Layout says in which folders and under which names the objects are.
type Layout struct {
	Dir       string `yaml:"topics.dir" alias:"aws.s3.prefix,aws.s3.prefix.config" doc:"first part of every key; none with the class of Aiven's connector, whose prefix is no folder and has no separator after it"`
	Delim     string `yaml:"directory.delim" doc:"separator of the parts of a key"`
	FileDelim string `yaml:"file.delim" doc:"separator of topic, partition and offset in the last part of a key"`
	Pad       int    `yaml:"filename.offset.zero.pad.width" doc:"digits of the offset in a key"`
	Template  string `yaml:"file.name.template" doc:"the whole key below topics.dir, as Aiven's connector names it (with its class the default is {{topic}}-{{partition}}-{{start_offset}} and the ending of the compression), instead of folders and names by the keys above: with {{topic}}, {{partition}}, {{start_offset}}, {{end_offset}} (of the object's last record), {{timestamp:unit=yyyy}} (also MM, dd, HH) and, ours, {{encoded_partition}}; :padding=true pads a number"`

	Partitioner     string        `yaml:"partitioner.class" values:"default,field,time,daily,hourly,field-and-time,header,io.confluent.connect.storage.partitioner.DefaultPartitioner,io.confluent.connect.storage.partitioner.FieldPartitioner,io.confluent.connect.storage.partitioner.TimeBasedPartitioner,io.confluent.connect.storage.partitioner.DailyPartitioner,io.confluent.connect.storage.partitioner.HourlyPartitioner,io.confluent.connect.storage.partitioner.FieldAndTimeBasedPartitioner" doc:"how records are put into folders: by their partition, by fields of the value, by time, by day, by hour, by fields and time, or by headers"`
	PartitionFields []string      `yaml:"partition.field.name" doc:"fields of the value, or names of headers, that make the folders name=value; parent.child leads into structs, maps and JSON"`
	Duration        time.Duration `yaml:"partition.duration.ms" doc:"time that the records of one folder span, with a partitioner by time"`
	PathFormat      string        `yaml:"path.format" doc:"folders of a partitioner by time, in Joda-Time's letters with text in quotes: 'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH"`
	Locale          string        `yaml:"locale" doc:"language of the names of months and days in path.format: en and its countries"`
	Timezone        string        `yaml:"timezone" alias:"timestamp.timezone" doc:"time zone of the folders by time and of rotate.schedule.interval.ms, such as Europe/Berlin, or +02:00"`
	Extractor       string        `yaml:"timestamp.extractor" values:"Wallclock,Record,RecordField,io.confluent.connect.storage.partitioner.TimeBasedPartitioner$WallclockTimestampExtractor,io.confluent.connect.storage.partitioner.TimeBasedPartitioner$RecordTimestampExtractor,io.confluent.connect.storage.partitioner.TimeBasedPartitioner$RecordFieldTimestampExtractor" doc:"time of a record: Wallclock, when it is flushed; Record, its timestamp; RecordField, timestamp.field of its value"`
	TimestampField  string        `yaml:"timestamp.field" doc:"field with the time, with timestamp.extractor: RecordField: milliseconds, ISO 8601, or what its schema says; parent.child leads into structs, maps and JSON"`
	Tombstone       string        `yaml:"tombstone.encoded.partition" doc:"folder of tombstones, with behavior.on.null.values: write"`
}

func layoutDefaults() Layout {
	return Layout{
		Dir: "topics", Delim: "/", FileDelim: "+", Pad: 10,
		Partitioner: "default", Locale: "en", Timezone: "UTC", Extractor: "Wallclock", TimestampField: "timestamp", Tombstone: "tombstone",
	}
}

// partitioner is the short name of partitioner.class.
func (l *Layout) partitioner() string {
	name, java := strings.CutPrefix(l.Partitioner, "io.confluent.connect.storage.partitioner.")
	if !java {
		return l.Partitioner
	}
	return map[string]string{
		"DefaultPartitioner": "default", "FieldPartitioner": "field", "TimeBasedPartitioner": "time", "DailyPartitioner": "daily",
		"HourlyPartitioner": "hourly", "FieldAndTimeBasedPartitioner": "field-and-time",
	}[name]
}

// extractor is the short name of timestamp.extractor in lower case.
func (l *Layout) extractor() string {
	name := l.Extractor[strings.LastIndexByte(l.Extractor, '$')+1:]
	return strings.ToLower(strings.TrimSuffix(name, "TimestampExtractor"))
}

// buckets are the folders' pattern and span of a partitioner by time; the pattern is empty for
// others.
func (l *Layout) buckets() (format string, duration time.Duration) {
	day := "'year'=YYYY" + l.Delim + "'month'=MM" + l.Delim + "'day'=dd"
	switch l.partitioner() {
	case "time", "field-and-time":
		return strings.TrimSuffix(l.PathFormat, l.Delim), l.Duration
	case "daily":
		return day, 24 * time.Hour
	case "hourly":
		return day + l.Delim + "'hour'=HH", time.Hour
	}
	return "", 0
}

func (l *Layout) validate(r *config.Report) {
	if l.Pad < 0 || l.Pad > 19 {
		r.Errorf("filename.offset.zero.pad.width", "%d is not a width; write a number from 0 to 19", l.Pad)
	}
	if l.Delim == "" {
		r.Errorf("directory.delim", "is empty; write the separator of folders, such as /")
	}
	if _, err := parseTemplate(l.Template); err != nil {
		r.Errorf("file.name.template", "%v", err)
	}
	if _, err := zone(l.Timezone); err != nil || l.Timezone == "" {
		r.Errorf("timezone", "%q is not a time zone; write a name such as UTC or Europe/Berlin, or an offset such as +02:00", l.Timezone)
	}
	kind := l.partitioner()
	switch kind {
	case "field", "field-and-time", "header":
		if len(l.PartitionFields) == 0 {
			r.Errorf("partition.field.name", "is missing; partitioner.class: %s needs the names that make the folders", kind)
		}
	}
	if kind == "time" || kind == "field-and-time" {
		l.validateTime(r, kind)
	}
	if l.Extractor == "" || l.extractor() == "recordfield" && l.TimestampField == "" {
		r.Errorf("timestamp.field", "is empty; timestamp.extractor: RecordField needs the field with the time")
	}
}

func (l *Layout) validateTime(r *config.Report, kind string) {
	if l.Duration < time.Millisecond {
		r.Errorf("partition.duration.ms", "is no time; partitioner.class: %s needs the time that one folder spans, such as 3600000 for an hour", kind)
	}
	format, _ := l.buckets()
	if format == "" {
		r.Errorf("path.format", "is missing; partitioner.class: %s needs the folders' names, such as 'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", kind)
		return
	}
	p, err := parsePattern(format)
	if err != nil {
		r.Errorf("path.format", "%v", err)
		return
	}
	if language, _, _ := strings.Cut(strings.ReplaceAll(l.Locale, "_", "-"), "-"); p.words() && language != "en" {
		r.Errorf("locale", "%q is not known, and path.format writes names of months, days or zones; write en, or numbers (MM, dd) in path.format", l.Locale)
	}
}
