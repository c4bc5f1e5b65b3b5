package s3

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// named is c with the names of Aiven's connector where it has none of its own.
func (c *Config) named() *Config {
	own := *c
	if own.Template == "" {
		own.Template = "{{topic}}-{{partition}}-{{start_offset}}" + own.CompressionSuffix()
	}
	if own.Dir == layoutDefaults().Dir {
		own.Dir = ""
	}
	return &own
}

// template is file.name.template in parts: literals, and variables of Aiven's connector.
type template []variable

type variable struct {
	name    string // empty for a literal
	literal string
	padded  bool
	unit    string // of a timestamp
}

// names is what a template's variables stand for.
type names struct {
	topic, folder string
	partition     int32
	first, last   int64 // offsets of the object's first and last record
	time          time.Time
}

var templateVariable = regexp.MustCompile(`\{\{\s*([\w.]+)\s*(?::\s*(\w+)\s*=\s*(\w+)\s*)?\}\}`)

// timestampUnits are Java's letters that Aiven's connector knows, in Go's form.
var timestampUnits = map[string]string{"yyyy": "2006", "MM": "01", "dd": "02", "HH": "15"}

// parseTemplate reads text; the template of an empty text is nil.
func parseTemplate(text string) (template, error) {
	if text == "" {
		return nil, nil
	}
	var t template
	at := 0
	for _, m := range templateVariable.FindAllStringSubmatchIndex(text, -1) {
		t = append(t, variable{literal: text[at:m[0]]})
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		v, err := newVariable(part(1), part(2), part(3))
		if err != nil {
			return nil, err
		}
		t = append(t, v)
		at = m[1]
	}
	if rest := text[at:]; strings.Contains(rest, "{{") {
		return nil, fmt.Errorf("%q is no variable; write {{name}} or {{name:parameter=value}}", rest[strings.Index(rest, "{{"):])
	}
	t = append(t, variable{literal: text[at:]})
	if !t.has("topic") || !t.has("partition") || !t.has("start_offset") && !t.has("end_offset") {
		return nil, fmt.Errorf("%q names different objects alike; it needs {{topic}}, {{partition}} and {{start_offset}}", text)
	}
	return t, nil
}

func newVariable(name, parameter, value string) (variable, error) {
	v := variable{name: name}
	switch name {
	case "topic", "encoded_partition":
		if parameter == "" {
			return v, nil
		}
	case "partition", "start_offset", "end_offset":
		if parameter == "" || parameter == "padding" && (value == "true" || value == "false") {
			v.padded = value == "true"
			return v, nil
		}
	case "timestamp":
		if v.unit = timestampUnits[value]; parameter == "unit" && v.unit != "" {
			return v, nil
		}
		return v, fmt.Errorf("{{timestamp}} needs a unit; write {{timestamp:unit=yyyy}}, or MM, dd or HH")
	case "key":
		return v, fmt.Errorf("{{key}} is not supported: an object holds a range of offsets; write partitioner.class: field for folders by fields")
	default:
		return v, fmt.Errorf("{{%s}} is not known; write topic, partition, start_offset, end_offset, timestamp or encoded_partition", name)
	}
	return v, fmt.Errorf("{{%s}} does not take %s=%s", name, parameter, value)
}

func (t template) has(name string) bool {
	for _, v := range t {
		if v.name == name {
			return true
		}
	}
	return false
}

func (t template) key(n *names) string {
	var b strings.Builder
	for _, v := range t {
		switch v.name {
		case "topic":
			b.WriteString(n.topic)
		case "encoded_partition":
			b.WriteString(n.folder)
		case "partition":
			v.number(&b, int64(n.partition), 10)
		case "start_offset":
			v.number(&b, n.first, 20)
		case "end_offset":
			v.number(&b, n.last, 20)
		case "timestamp":
			b.WriteString(n.time.Format(v.unit))
		default:
			b.WriteString(v.literal)
		}
	}
	return b.String()
}

// number writes n, padded as Aiven's connector does.
func (v *variable) number(b *strings.Builder, n int64, width int) {
	if !v.padded {
		width = 0
	}
	fmt.Fprintf(b, "%0*d", width, n)
}
