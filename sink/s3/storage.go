package s3

import (
	"net/url"
	"strconv"
	"strings"

	"connectd/config"
)

// Storage says how the bucket keeps the objects.
type Storage struct {
	PartSize    config.Size `yaml:"s3.part.size" alias:"aws.s3.part.size.bytes" doc:"objects above this size are uploaded in parts of it; at least 5 MiB"`
	Retries     int         `yaml:"s3.part.retries" alias:"aws.s3.backoff.max.retries" doc:"attempts at a request before the flush is tried again as a whole"`
	Conditional bool        `yaml:"enable.conditional.writes" doc:"never replace an object of another flush unnoticed: write with If-None-Match"`
	IfExists    string      `yaml:"s3.if.exists" values:"overwrite,skip,fail" doc:"what to do when another flush has left an object under the same key"`
	Manifest    bool        `yaml:"s3.manifest.enable" doc:"after each flush write _manifest/topic/partition/start-end.json below topics.dir, which names its objects: who reads only what manifests name sees a flush as a whole or not at all"`
	SpoolDir    string      `yaml:"s3.spool.dir" doc:"directory on disk for what open objects hold beyond the memory they may use; empty is the system's for temporary files"`

	Encryption string   `yaml:"s3.ssea.name" alias:"aws.s3.sse.algorithm" values:"AES256,aws:kms,aws:kms:dsse" doc:"encryption on the server; empty leaves it to the bucket"`
	KMSKey     string   `yaml:"s3.sse.kms.key.id" doc:"key of the encryption with aws:kms; empty is the account's own"`
	ACL        string   `yaml:"s3.acl.canned" values:"private,public-read,public-read-write,authenticated-read,aws-exec-read,bucket-owner-read,bucket-owner-full-control" doc:"who may read the objects; empty leaves it to the bucket"`
	Class      string   `yaml:"s3.storage.class" values:"STANDARD,REDUCED_REDUNDANCY,STANDARD_IA,ONEZONE_IA,INTELLIGENT_TIERING,GLACIER,DEEP_ARCHIVE,GLACIER_IR,EXPRESS_ONEZONE" doc:"storage class of the objects; empty leaves it to the bucket"`
	Tagging    bool     `yaml:"s3.object.tagging" doc:"tag objects with startOffset, endOffset (of the last record) and recordCount"`
	Tags       []string `yaml:"s3.object.tagging.key.value.pairs" doc:"more tags for s3.object.tagging, as name:value"`
}

func storageDefaults() Storage {
	return Storage{PartSize: 25 << 20, Retries: 3, Conditional: true, IfExists: "overwrite"}
}

const (
	minPartSize = 5 << 20 // S3 refuses smaller parts,
	maxPartSize = 5 << 30 // and larger ones
	maxTags     = 10
)

func (s *Storage) validate(r *config.Report) {
	if s.PartSize < minPartSize || s.PartSize > maxPartSize {
		r.Errorf("s3.part.size", "%d is not a size that S3 takes; write 5MiB to 5GiB", s.PartSize)
	}
	if s.Retries < 1 {
		r.Errorf("s3.part.retries", "%d is not a number of attempts; write 1 or more", s.Retries)
	}
	if s.KMSKey != "" && !strings.HasPrefix(s.Encryption, "aws:kms") {
		r.Errorf("s3.sse.kms.key.id", "needs s3.ssea.name: aws:kms beside it")
	}
	if len(s.Tags) > 0 && !s.Tagging {
		r.Errorf("s3.object.tagging.key.value.pairs", "has no effect without s3.object.tagging: true")
	}
	for _, t := range s.Tags {
		if name, _, ok := strings.Cut(t, ":"); !ok || name == "" {
			r.Errorf("s3.object.tagging.key.value.pairs", "%q is not a tag; write name:value", t)
		}
	}
	if len(s.Tags)+3 > maxTags {
		r.Errorf("s3.object.tagging.key.value.pairs", "has %d tags; S3 takes %d of an object, and three are its offsets and its count", len(s.Tags), maxTags)
	}
}

// tags are those of o, in the form of a query; empty for none.
func (s *Storage) tags(o *object) string {
	if !s.Tagging {
		return ""
	}
	q := url.Values{}
	q.Set("startOffset", strconv.FormatInt(o.first, 10))
	q.Set("endOffset", strconv.FormatInt(o.last, 10))
	q.Set("recordCount", strconv.Itoa(o.rows))
	for _, t := range s.Tags {
		name, value, _ := strings.Cut(t, ":")
		q.Set(name, value)
	}
	return q.Encode()
}
