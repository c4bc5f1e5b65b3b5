package s3

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"connectd/connect"
	"connectd/internal/s3client"
	"connectd/record"
)

// without is objects without those that an earlier attempt at the flush r has left in the bucket.
// Such an object stays as it is, also where the topic has lost records of it since, the first one
// perhaps, so that its key would be another one now.
func (w *writer) without(ctx context.Context, r record.Range, objects []*object) ([]*object, error) {
	folders := map[string]map[string]earlier{} // by the beginning of the keys, and by schema
	var left []*object
	for _, o := range objects {
		if o.stem == "" {
			left = append(left, o) // named by a template: put looks for the key
			continue
		}
		schemas, ok := folders[o.stem]
		if !ok {
			var err error
			if schemas, err = w.earlier(ctx, r, o.stem); err != nil {
				return nil, err
			}
			folders[o.stem] = schemas
		}
		if e, ok := schemas[o.schema]; ok {
			o.adopt(e)
		} else {
			left = append(left, o)
		}
	}
	return left, nil
}

// earlier is an object that an earlier attempt has left.
type earlier struct {
	key  string
	meta map[string]string
	size int64
}

// adopt makes o what is in the bucket instead.
func (o *object) adopt(e earlier) {
	o.key, o.size = e.key, e.size
	if n, err := strconv.Atoi(e.meta[countKey]); err == nil {
		o.rows = n
	}
}

// earlier are the objects that an earlier attempt at r has left under keys that begin with stem, by
// their schemas.
func (w *writer) earlier(ctx context.Context, r record.Range, stem string) (map[string]earlier, error) {
	first, last := w.keys.offset(r.Start), w.keys.offset(r.End)
	after := ""
	if len(first) == len(last) {
		after = stem + w.keys.offset(r.Start-1) // texts of one length are in the order of their numbers
	}
	schemas := map[string]earlier{}
	err := w.sink.list(ctx, stem, after, func(o *types.Object) (more bool, err error) {
		offset, ok := w.keys.parse(*o.Key, stem)
		if !ok || offset < r.Start || offset >= r.End {
			return !ok || offset < r.End || after == "", nil
		}
		meta, err := w.sink.metadataOf(ctx, *o.Key)
		if err == nil && meta[intentKey] == r.ID {
			schemas[meta[schemaKey]] = earlier{*o.Key, meta, aws.ToInt64(o.Size)}
		}
		return true, ignoreGone(err)
	})
	return schemas, err
}

// clockSkew is how far the clocks of the store and of the daemons may be apart.
const clockSkew = 15 * time.Minute

// checkLayout looks for objects of r under other keys than those of objects, which the settings of
// an earlier attempt have made: what they hold would be in the bucket twice.
func (w *writer) checkLayout(ctx context.Context, r record.Range, objects []*object) error {
	expected := map[string]bool{}
	for _, o := range objects {
		expected[o.key] = true
	}
	since := time.UnixMilli(r.Time).Add(-clockSkew)
	return w.sink.list(ctx, w.keys.prefix(), "", func(o *types.Object) (more bool, err error) {
		if expected[*o.Key] || strings.HasPrefix(*o.Key, w.keys.manifests()) || o.LastModified == nil || o.LastModified.Before(since) {
			return true, nil
		}
		meta, err := w.sink.metadataOf(ctx, *o.Key)
		if err == nil && meta[intentKey] == r.ID {
			return false, connect.Permanent(fmt.Errorf("offsets %d to %d of %s were being written with other settings, and the object %q is left of them: run the connector with the settings before until it has committed offset %d, or delete the objects whose metadata has %s: %s",
				r.Start, r.End-1, r.Partition, *o.Key, r.End, intentKey, r.ID))
		}
		return true, ignoreGone(err)
	})
}

// ignoreGone is err, unless it says that an object is not there any more.
func ignoreGone(err error) error {
	if s3client.Status(err) == 404 {
		return nil
	}
	return err
}

// list gives the objects whose keys begin with prefix and follow on after to each, until it says no.
func (s *Sink) list(ctx context.Context, prefix, after string, each func(*types.Object) (more bool, err error)) error {
	page := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.cfg.Bucket, Prefix: &prefix, StartAfter: optional(after)})
	for page.HasMorePages() {
		listed, err := page.NextPage(ctx)
		if s3client.Status(err) == 403 && !s.cfg.Conditional {
			s.log.Warn("what an earlier attempt has written is written again: the bucket may not be listed", "prefix", prefix, "err", err)
			return nil
		}
		if err != nil {
			return s.explain(fmt.Sprintf("look for objects of an earlier attempt below %q in bucket %q", prefix, s.cfg.Bucket), err)
		}
		for i := range listed.Contents {
			more, err := each(&listed.Contents[i])
			if connect.IsPermanent(err) {
				return err
			}
			if err != nil {
				return s.explain(fmt.Sprintf("look at object %q in bucket %q", *listed.Contents[i].Key, s.cfg.Bucket), err)
			}
			if !more {
				return nil
			}
		}
	}
	return nil
}

// offset is n as it is written in a key.
func (k *keys) offset(n int64) string { return fmt.Sprintf("%0*d", k.cfg.Pad, max(0, n)) }

// parse is the offset in key, after stem and before the extension.
func (k *keys) parse(key, stem string) (offset int64, ok bool) {
	rest := key[len(stem):]
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	offset, err := strconv.ParseInt(rest[:n], 10, 64)
	return offset, err == nil
}
