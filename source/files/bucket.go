package files

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/bmatcuk/doublestar/v4"

	"connectd/internal/s3client"
)

// bucket is the store of objects in S3-compatible buckets.
type bucket struct {
	*selection
	config *Config
	client *s3.Client
	part   int64           // objects above this size are copied in parts
	ctx    context.Context // of a Run: reading and cleaning up ends with it
}

// maxCopy is the largest object that S3 copies at once.
const maxCopy = 5 << 30

func newBucket(c *Config, s *selection) (*bucket, error) {
	client, err := c.Client(c.Attempts)
	if err != nil {
		return nil, err
	}
	return &bucket{selection: s, config: c, client: client, part: maxCopy, ctx: context.Background()}, nil
}

// during is b for one Run, whose requests end with ctx.
func (b *bucket) during(ctx context.Context) *bucket {
	during := *b
	during.ctx = ctx
	return &during
}

func (b *bucket) list(ctx context.Context) ([]entry, []string, error) {
	seen := map[string]bool{}
	var files []entry
	for _, glob := range b.include {
		err := b.listGlob(ctx, glob, func(e entry) {
			if !seen[e.path] {
				seen[e.path] = true
				files = append(files, e)
			}
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return files, nil, nil
}

// listGlob lists what begins as the glob does up to its first wildcard, and takes what matches.
func (b *bucket) listGlob(ctx context.Context, glob string, take func(entry)) error {
	literal := glob
	if i := strings.IndexAny(glob, `*?[{\`); i >= 0 {
		literal = glob[:i]
	}
	name, prefix := split(literal)
	folder := literal[:strings.LastIndexByte(literal, '/')+1]
	in := &s3.ListObjectsV2Input{Bucket: &name, Prefix: &prefix}
	if !strings.Contains(glob[len(literal):], "/") && !strings.Contains(glob, "**") {
		in.Delimiter = aws.String("/") // nothing below this folder matches
	}
	pages := s3.NewListObjectsV2Paginator(b.client, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return b.explain(fmt.Sprintf("list the objects below %q in bucket %q", prefix, name), err)
		}
		for i := range page.Contents {
			o := &page.Contents[i]
			at := "/" + name + "/" + *o.Key
			hidden := strings.Contains("/"+at[len(folder):strings.LastIndexByte(at, '/')+1], "/.")
			if strings.HasSuffix(at, "/") || hidden || !doublestar.MatchUnvalidated(glob, at) || !b.takes(at, path.Base(at), glob) {
				continue
			}
			take(entry{path: bucketScheme + at[1:], size: aws.ToInt64(o.Size), mtime: aws.ToTime(o.LastModified), etag: aws.ToString(o.ETag)})
		}
	}
	return nil
}

// split are the bucket and the key of a path such as /bucket/key or s3://bucket/key.
func split(path string) (bucket, key string) {
	if object, ok := strings.CutPrefix(path, bucketScheme); ok {
		path = "/" + object
	}
	bucket, key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return bucket, key
}

func (b *bucket) open(e entry) (blob, error) { return &object{bucket: b, entry: e}, nil }

func (b *bucket) stat(path string) (entry, error) {
	head, err := b.head(path)
	if err != nil {
		return entry{}, err
	}
	return entry{path: path, size: aws.ToInt64(head.ContentLength), mtime: aws.ToTime(head.LastModified), etag: aws.ToString(head.ETag)}, nil
}

func (b *bucket) head(path string) (*s3.HeadObjectOutput, error) {
	name, key := split(path)
	head, err := b.client.HeadObject(b.ctx, &s3.HeadObjectInput{Bucket: &name, Key: &key})
	if err != nil {
		return nil, b.refused("look at", path, err)
	}
	return head, nil
}

func (b *bucket) remove(path string) error {
	name, key := split(path)
	if _, err := b.client.DeleteObject(b.ctx, &s3.DeleteObjectInput{Bucket: &name, Key: &key}); err != nil {
		return b.refused("delete", path, err)
	}
	return nil
}

// movedKey is what the metadata of a moved object says: which file it was. A move that was
// interrupted between copy and delete is found by it.
const movedKey = "connectd-file"

// move copies the object and deletes it.
func (b *bucket) move(e entry, dir string, keepTree bool, id string) error {
	from, err := b.head(e.path)
	if err != nil {
		return err
	}
	if keepTree {
		at, err := absolute(path.Dir(e.path))
		if err != nil {
			return err
		}
		if rel, err := filepath.Rel(b.dir, at); err == nil && !strings.HasPrefix(rel, "..") {
			dir += "/" + rel
		}
	}
	to := bucketScheme + strings.TrimPrefix(path.Join("/", strings.TrimPrefix(dir, bucketScheme), path.Base(e.path)), "/")
	for n := 0; ; n++ {
		there, err := b.head(to)
		switch {
		case missing(err):
			if err := b.copy(e, from, to, id); err != nil {
				return b.refused("move", e.path, err)
			}
			return b.remove(e.path)
		case err != nil:
			return err
		case there.Metadata[movedKey] == id:
			return b.remove(e.path)
		case n == 0:
			to += "." + id
		default:
			to += "+"
		}
	}
}

// copy copies e, as head describes it, to another path. All that describes an object has to be
// said again, since the copy's metadata also say which file it was.
func (b *bucket) copy(e entry, head *s3.HeadObjectOutput, to, id string) error {
	name, key := split(e.path)
	source := url.PathEscape(name) + "/" + (&url.URL{Path: key}).EscapedPath()
	target, targetKey := split(to)
	metadata := map[string]string{}
	maps.Copy(metadata, head.Metadata)
	metadata[movedKey] = id
	if e.size <= b.part {
		_, err := b.client.CopyObject(b.ctx, &s3.CopyObjectInput{Bucket: &target, Key: &targetKey, CopySource: &source, CopySourceIfMatch: &e.etag,
			Metadata: metadata, MetadataDirective: types.MetadataDirectiveReplace, ContentType: head.ContentType, ContentEncoding: head.ContentEncoding,
			ContentDisposition: head.ContentDisposition, ContentLanguage: head.ContentLanguage, CacheControl: head.CacheControl})
		return err
	}
	upload, err := b.client.CreateMultipartUpload(b.ctx, &s3.CreateMultipartUploadInput{Bucket: &target, Key: &targetKey, Metadata: metadata,
		ContentType: head.ContentType, ContentEncoding: head.ContentEncoding, ContentDisposition: head.ContentDisposition,
		ContentLanguage: head.ContentLanguage, CacheControl: head.CacheControl})
	if err != nil {
		return err
	}
	var parts []types.CompletedPart
	for at := int64(0); at < e.size; at += b.part {
		number := aws.Int32(int32(len(parts) + 1))
		part, err := b.client.UploadPartCopy(b.ctx, &s3.UploadPartCopyInput{Bucket: &target, Key: &targetKey, UploadId: upload.UploadId, PartNumber: number,
			CopySource: &source, CopySourceIfMatch: &e.etag, CopySourceRange: rangeOf(at, min(at+b.part, e.size))})
		if err != nil {
			// Its parts would cost room, and no list of objects shows them. The first error counts.
			_, _ = b.client.AbortMultipartUpload(context.WithoutCancel(b.ctx), &s3.AbortMultipartUploadInput{Bucket: &target, Key: &targetKey, UploadId: upload.UploadId})
			return err
		}
		parts = append(parts, types.CompletedPart{PartNumber: number, ETag: part.CopyPartResult.ETag})
	}
	_, err = b.client.CompleteMultipartUpload(b.ctx, &s3.CompleteMultipartUploadInput{Bucket: &target, Key: &targetKey, UploadId: upload.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	return err
}

// rangeOf is the header for the bytes from from to before to.
func rangeOf(from, to int64) *string { return aws.String(fmt.Sprintf("bytes=%d-%d", from, to-1)) }

// check lists one object of each bucket.
func (b *bucket) check(ctx context.Context) error {
	names := map[string]bool{}
	for _, p := range append(append([]string{}, b.include...), b.moved...) {
		name, _ := split(p)
		if names[name] {
			continue
		}
		names[name] = true
		_, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &name, MaxKeys: aws.Int32(1)})
		if err != nil {
			return b.explain(fmt.Sprintf("look for bucket %q", name), err)
		}
	}
	return nil
}

// unreachable is an error of the store that says nothing about the file.
type unreachable struct{ err error }

func (u *unreachable) Error() string { return u.err.Error() }
func (u *unreachable) Unwrap() error { return u.err }

// refused is what an error at one object means: it is not there, or another one is, or something
// else is wrong with it, or the store can not be asked.
func (b *bucket) refused(doing, path string, err error) error {
	switch status := s3client.Status(err); status {
	case http.StatusNotFound:
		return fmt.Errorf("%s %q: %w", doing, path, fs.ErrNotExist)
	case http.StatusPreconditionFailed:
		return fmt.Errorf("%s %q: %w", doing, path, errMoved)
	case http.StatusForbidden, http.StatusBadRequest: // also archived and encrypted ones
		return fmt.Errorf("%s %q: %w", doing, path, err)
	}
	return &unreachable{b.explain(fmt.Sprintf("%s %q", doing, path), err)}
}

func (b *bucket) explain(doing string, err error) error {
	return b.config.Explain(doing, err, "input.path", "s3:ListBucket and s3:GetObject (and s3:DeleteObject and s3:PutObject for cleanup.policy)")
}
