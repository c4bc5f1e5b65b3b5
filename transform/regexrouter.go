package transform

import (
	"fmt"
	"regexp"

	"connectd/config"
	"connectd/record"
)

// RegexRouterConfig is the settings of org.apache.kafka.connect.transforms.RegexRouter.
type RegexRouterConfig struct {
	Regex       string `yaml:"regex" required:"true" doc:"what the whole topic must match for it to be renamed: a Java regular expression without look-around and back-references"`
	Replacement string `yaml:"replacement" required:"true" doc:"what the first match is replaced with; $1 and ${name} are groups"`
}

// Defaults does nothing: both settings are required.
func (c *RegexRouterConfig) Defaults() {}

// Validate checks the expression and the groups that the replacement names.
func (c *RegexRouterConfig) Validate(r *config.Report) {
	re, err := compileJava(c.Regex)
	if err != nil {
		r.Errorf("regex", "%v", err)
		return
	}
	if _, err := parseReplacement(c.Replacement, re); err != nil {
		r.Errorf("replacement", "%v", err)
	}
}

// maxTopics bounds the memory of new names; topics are few, but route.by.field may invent them.
const maxTopics = 10_000

// RegexRouter renames topics. As in Kafka Connect, the expression must match the whole topic;
// then its first match, which may be shorter, is replaced. Other topics keep their names.
type RegexRouter struct {
	regex       *regexp.Regexp
	whole       *regexp.Regexp
	replacement replacement
	renamed     map[string]string
}

// NewRegexRouter builds a RegexRouter.
func NewRegexRouter(c *RegexRouterConfig) (*RegexRouter, error) {
	re, err := compileJava(c.Regex)
	if err != nil {
		return nil, fmt.Errorf("regex: %w", err)
	}
	with, err := parseReplacement(c.Replacement, re)
	if err != nil {
		return nil, fmt.Errorf("replacement: %w", err)
	}
	whole, err := regexp.Compile(`^(?:` + re.String() + `)$`)
	if err != nil {
		return nil, fmt.Errorf("regex: %w", err)
	}
	return &RegexRouter{re, whole, with, map[string]string{}}, nil
}

// Apply renames r's topic.
func (t *RegexRouter) Apply(b *record.Batch, r *record.Record) (keep bool, err error) {
	to, ok := t.renamed[r.Topic]
	if !ok {
		if to = t.rename(r.Topic); to == "" {
			return false, fmt.Errorf("the replacement leaves nothing of the topic %q", r.Topic)
		}
		if len(t.renamed) >= maxTopics {
			clear(t.renamed)
		}
		t.renamed[r.Topic] = to
	}
	r.Topic = to
	return true, nil
}

func (t *RegexRouter) rename(topic string) string {
	if !t.whole.MatchString(topic) {
		return topic
	}
	match := t.regex.FindStringSubmatchIndex(topic)
	name := append([]byte{}, topic[:match[0]]...)
	name = t.replacement.append(name, topic, match)
	return string(append(name, topic[match[1]:]...))
}
