package s3

import (
	"strings"
	"testing"
	"time"

	"connectd/config"
)

func decode(pairs ...string) (*Config, config.Problems) {
	s := &config.Section{Path: "connectors.to-s3"}
	for i := 0; i < len(pairs); i += 2 {
		s.Entries = append(s.Entries, config.Entry{Key: pairs[i], Raw: pairs[i+1], Value: pairs[i+1]})
	}
	c := new(Config)
	return c, config.Decode(s, c)
}

func TestConfigOfConfluent(t *testing.T) {
	c, problems := decode(
		"s3.bucket.name", "b", "s3.region", "eu-west-1", "store.url", "http://minio:9000", "storage.class", "io.confluent.connect.s3.storage.S3Storage",
		"format.class", "io.confluent.connect.s3.format.json.JsonFormat", "flush.size", "1000", "rotate.interval.ms", "3600000", "rotate.schedule.interval.ms", "-1",
		"partitioner.class", "io.confluent.connect.storage.partitioner.TimeBasedPartitioner", "partition.duration.ms", "3600000",
		"path.format", "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", "locale", "en-US", "timezone", "Europe/Berlin",
		"timestamp.extractor", "RecordField", "timestamp.field", "after.ts", "s3.part.size", "5242880", "s3.part.retries", "5", "s3.retry.backoff.ms", "100",
		"s3.ssea.name", "aws:kms", "s3.sse.kms.key.id", "k", "s3.acl.canned", "", "s3.storage.class", "", "schema.generator.class", "x", "s3.elastic.buffer.enable", "true",
		"s3.credentials.provider.class", "io.confluent.connect.s3.auth.AwsAssumeRoleCredentialsProvider",
		"s3.credentials.provider.sts.role.arn", "arn:aws:iam::1:role/r", "s3.credentials.provider.sts.role.external.id", "e", "s3.credentials.provider.sts.role.session.name", "n",
		"s3.object.tagging", "true", "confluent.topic.bootstrap.servers", "k:9092", "schema.compatibility", "NONE", "store.kafka.keys", "false", "partitioner.max.open.files", "-1", "enable.conditional.writes", "false",
	)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	format, duration := c.buckets()
	if c.Rows != 1000 || c.Interval != time.Hour || c.schedule() > 0 || c.partitioner() != "time" || c.extractor() != "recordfield" || duration != time.Hour || !strings.HasSuffix(format, "=HH") {
		t.Errorf("got %+v", c)
	}
	if c.PartSize != 5<<20 || c.Retries != 5 || c.Backoff != 100*time.Millisecond || c.Role != "arn:aws:iam::1:role/r" || c.External != "e" || c.Session != "n" {
		t.Errorf("got %+v", c)
	}
}

func TestConfigOfAiven(t *testing.T) {
	c, problems := decode(
		"aws.s3.bucket.name", "b", "aws.s3.region", "eu-west-1", "aws.s3.endpoint", "http://minio:9000", "aws.s3.prefix", "data/",
		"file.name.template", "{{topic}}-{{partition:padding=true}}-{{start_offset}}.gz", "file.compression.type", "gzip", "file.max.records", "10",
		"timestamp.timezone", "UTC", "aws.s3.part.size.bytes", "5242880", "aws.s3.backoff.delay.ms", "100", "aws.s3.backoff.max.delay.ms", "1000", "aws.s3.backoff.max.retries", "3",
		"aws.sts.role.arn", "arn:aws:iam::1:role/r", "aws.sts.role.session.duration", "1800", "aws.s3.sse.algorithm", "AES256",
	)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if c.Bucket != "b" || c.Rows != 10 || c.Encryption != "AES256" || time.Duration(c.Lifetime) != 30*time.Minute || c.BackoffMax != time.Second {
		t.Errorf("got %+v", c)
	}
}

func TestConfigOfFormats(t *testing.T) {
	for _, c := range []struct{ keys, extension, contentType string }{
		{"", ".json.gz", "application/gzip"},
		{"s3.compression.type=none", ".json", "application/x-ndjson"},
		{"format.class=io.confluent.connect.s3.format.parquet.ParquetFormat", ".snappy.parquet", "application/vnd.apache.parquet"},
		{"format.output.type=parquet parquet.codec=zstd s3.compression.type=gzip", ".zstd.parquet", "application/vnd.apache.parquet"},
	} {
		pairs := []string{"s3.bucket.name", "b"}
		for _, pair := range strings.Fields(c.keys) {
			key, value, _ := strings.Cut(pair, "=")
			pairs = append(pairs, key, value)
		}
		cfg, problems := decode(pairs...)
		if err := problems.Err(); err != nil {
			t.Errorf("%s: %v", c.keys, err)
		}
		if cfg.Extension() != c.extension || cfg.ContentType() != c.contentType {
			t.Errorf("%s: %s, %s; want %s, %s", c.keys, cfg.Extension(), cfg.ContentType(), c.extension, c.contentType)
		}
	}
}

func TestConfigProblems(t *testing.T) {
	for _, c := range []struct{ keys, want string }{
		{"flush.size=-1", "is negative"},
		{"store.kafka.keys=true", "write format.output.fields: key,value"},
		{"store.kafka.headers=true", "write format.output.fields: value,headers"},
		{"rotate.file.size.bytes=-1", "is negative"},
		{"format.class=orc", "parquet"},
		{"parquet.codec=lzo", "zstd"},
		{"partitioner.max.open.files=0", "is not a number of objects"},
		{"partitioner.class=hours", "default"},
		{"partitioner.class=field", "partition.field.name"},
		{"partitioner.class=time path.format=YYYY", "partition.duration.ms"},
		{"partitioner.class=time partition.duration.ms=1000", "path.format"},
		{"partitioner.class=time partition.duration.ms=1000 path.format=year=YYYY", "is no letter of a time"},
		{"partitioner.class=time partition.duration.ms=1000 path.format=MMM locale=de", "write en"},
		{"timezone=Mars/Phobos", "is not a time zone"},
		{"timestamp.extractor=Now", "Wallclock"},
		{"timestamp.extractor=RecordField timestamp.field=", "timestamp.field"},
		{"directory.delim=", "is empty"},
		{"filename.offset.zero.pad.width=20", "is not a width"},
		{"file.name.template={{topic}}", "names different objects alike"},
		{"s3.part.size=1MiB", "is not a size that S3 takes"},
		{"s3.part.retries=0", "is not a number of attempts"},
		{"s3.retry.backoff.ms=60000", "s3.retry.backoff.max.ms"},
		{"s3.ssea.name=rot13", "AES256"},
		{"s3.sse.kms.key.id=k", "s3.ssea.name"},
		{"s3.acl.canned=everybody", "public-read"},
		{"s3.storage.class=COLD", "STANDARD"},
		{"s3.object.tagging.key.value.pairs=a:b", "s3.object.tagging: true"},
		{"s3.object.tagging=true s3.object.tagging.key.value.pairs=a", "write name:value"},
		{"s3.object.tagging=true s3.object.tagging.key.value.pairs=a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1", "S3 takes 10"},
		{"s3.credentials.provider.class=assume-role", "aws.sts.role.arn"},
		{"s3.credentials.provider.class=anonymous aws.sts.role.arn=arn:x", "remove one of them"},
		{"aws.sts.role.arn=me", "is not the ARN of a role"},
		{"aws.sts.role.session.duration=60", "is out of range"},
		{"aws.sts.role.session.duration=x", "is not a duration"},
		{"aws.access.key.id=a", "aws.secret.access.key"},
		{"s3.proxy.url=proxy:3128", "is not the URL of a proxy"},
	} {
		pairs := []string{"s3.bucket.name", "b"}
		for _, pair := range strings.Fields(c.keys) {
			key, value, _ := strings.Cut(pair, "=")
			pairs = append(pairs, key, value)
		}
		_, problems := decode(pairs...)
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.keys, err, c.want)
		}
	}
}
