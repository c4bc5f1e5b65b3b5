package s3

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"connectd/record"
)

// keys names one partition's objects.
type keys struct {
	cfg       *Config
	dir       string // topics.dir with the separator after it
	p         record.Partition
	extension string
	template  template       // of file.name.template; nil for Confluent's names
	matches   *regexp.Regexp // keys of the template for this partition
	location  *time.Location
}

func newKeys(s *Sink, p record.Partition) *keys {
	c := s.cfg
	k := &keys{cfg: c, p: p, extension: c.Extension(), dir: c.Dir}
	if k.dir != "" && !strings.HasSuffix(k.dir, c.Delim) && !s.aiven { // whose prefix is no folder
		k.dir += c.Delim
	}
	k.template, _ = parseTemplate(c.Template) // checked by Validate,
	k.location, _ = zone(c.Timezone)          // as this
	if k.template != nil {
		k.matches = k.template.expression(p)
	}
	return k
}

// of is the key of f in the flush r, such as topics/orders/partition=0/orders+0+0000000042.json.gz.
// stem is what comes before the offset, empty with a template.
func (k *keys) of(f *file, folder string, r record.Range) (stem, key string) {
	if k.template != nil {
		return "", k.dir + k.template.key(&names{topic: k.p.Topic, folder: folder, partition: k.p.ID, first: f.first, last: f.last,
			time: time.UnixMilli(r.Time).In(k.location)})
	}
	stem = k.dir + k.p.Topic + k.cfg.Delim + folder + k.cfg.Delim + k.stem()
	return stem, stem + k.offset(f.first) + k.extension
}

// longestFolder is what is left for a folder of the 1024 bytes that a key may have: the rest has the
// topic's name twice, a time perhaps, numbers and an extension.
func (k *keys) longestFolder() int {
	return 1024 - len(k.dir) - 2*len(k.p.Topic) - len(k.cfg.PathFormat) - 100
}

// manifests is what the keys of manifests begin with.
func (k *keys) manifests() string { return k.dir + "_manifest" + k.cfg.Delim }

// stem is what the names of the partition's objects begin with, by Confluent's rule.
func (k *keys) stem() string {
	return k.p.Topic + k.cfg.FileDelim + strconv.Itoa(int(k.p.ID)) + k.cfg.FileDelim
}

// prefix is what all keys of the partition begin with; others may, too.
func (k *keys) prefix() string {
	if k.template != nil {
		return k.dir
	}
	return k.dir + k.p.Topic + k.cfg.Delim
}

// own says whether key, which begins with prefix, is of this partition.
func (k *keys) own(key string) bool {
	if k.template != nil {
		return k.matches.MatchString(strings.TrimPrefix(key, k.dir))
	}
	return strings.HasPrefix(key[strings.LastIndex(key, k.cfg.Delim)+len(k.cfg.Delim):], k.stem())
}

// expression matches the keys of p's objects.
func (t template) expression(p record.Partition) *regexp.Regexp {
	var b strings.Builder
	for _, v := range t {
		switch v.name {
		case "":
			b.WriteString(regexp.QuoteMeta(v.literal))
		case "topic":
			b.WriteString(regexp.QuoteMeta(p.Topic))
		case "partition":
			b.WriteString("0*" + strconv.Itoa(int(p.ID)))
		case "encoded_partition":
			b.WriteString(".*")
		default:
			b.WriteString(`\d+`)
		}
	}
	return regexp.MustCompile("^" + b.String() + "$")
}
