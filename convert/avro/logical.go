package avro

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/avro"

	"connectd/record"
)

// relaxedProp holds the logical type of a decimal that Avro's own rules do not allow.
const relaxedProp = "connectd.logicalType"

// relax is a schema without what Avro's rules do not allow and AvroData has written all the same:
// decimals with more digits behind the point than there are, and defaults of another type. Such
// schemas are in registries, and their records can be read.
func relax(text string) (string, bool) {
	var document any
	if json.Unmarshal([]byte(text), &document) != nil {
		return "", false
	}
	relaxed, err := json.Marshal(relaxPart(document))
	return string(relaxed), err == nil
}

func relaxPart(part any) any {
	switch part := part.(type) {
	case []any:
		for i := range part {
			part[i] = relaxPart(part[i])
		}
	case map[string]any:
		if part["type"] != "enum" {
			delete(part, "default")
		}
		if part["logicalType"] == "decimal" {
			delete(part, "logicalType")
			part[relaxedProp] = "decimal"
		}
		for _, key := range []string{"type", "fields", "items", "values"} {
			if inner, ok := part[key]; ok {
				part[key] = relaxPart(inner)
			}
		}
	}
	return part
}

// logical gives made the logical type of n: Connect's name where Connect has one, else Debezium's.
func (p *planner) logical(n *avro.SchemaNode, made *node) {
	s := made.schema
	logical := n.LogicalType
	if relaxed, ok := n.Props[relaxedProp].(string); ok {
		logical = relaxed
	}
	name := ""
	switch n.Type + " " + logical {
	case "bytes decimal", "fixed decimal":
		p.decimal(n, made)
		return
	case "int date":
		name = record.ConnectDate
	case "int time-millis":
		name = record.ConnectTime
	case "long time-micros":
		name = record.MicroTimeName
	case "long timestamp-millis", "long local-timestamp-millis":
		name = record.ConnectTimestamp
	case "long timestamp-micros", "long local-timestamp-micros":
		name = record.MicroTimestampName
	case "long timestamp-nanos", "long local-timestamp-nanos":
		name = record.NanoTimestampName
	case "string uuid":
		name = record.UUIDName
	case "fixed uuid":
		if n.Size == 16 {
			name, made.form, s.Type = record.UUIDName, uuidForm, record.StringType
		}
	}
	if name != "" {
		s.Name, s.Version = name, 1
	}
	if n.Type == "fixed" && made.form == fixedForm {
		s.Params = append(s.Params, record.Param{Name: fixedSize, Value: strconv.Itoa(n.Size)})
	}
}

func (p *planner) decimal(n *avro.SchemaNode, made *node) {
	s := made.schema
	precision, scale := int64(n.Precision), int64(n.Scale)
	if n.LogicalType == "" {
		precision, _ = n.Props["precision"].(int64)
		scale, _ = n.Props["scale"].(int64)
	}
	made.form, made.scale = decimalForm, int(scale)
	s.Name, s.Version = record.DecimalName, 1
	s.Params = append(s.Params, record.Param{Name: "scale", Value: strconv.FormatInt(scale, 10)})
	if precision != 0 && precision != defaultPrecision {
		s.Params = append(s.Params, record.Param{Name: precisionName, Value: strconv.FormatInt(precision, 10)})
	}
	if n.Type == "fixed" {
		made.form = fixedDecimalForm
		s.Params = append(s.Params, record.Param{Name: fixedSize, Value: strconv.Itoa(n.Size)})
	}
}

// complete takes over what Connect's converter has noted in n.
func (p *planner) complete(n *avro.SchemaNode, made *node) *node {
	s := made.schema
	if doc, ok := n.Props[docProp].(string); ok && p.options.Metadata {
		s.Doc = doc
	}
	if version, ok := n.Props[versionProp].(int64); ok {
		s.Version = int(version)
	}
	if params, ok := n.Props[paramsProp].(map[string]any); ok && p.options.Metadata {
		for _, name := range slices.Sorted(maps.Keys(params)) {
			if text, ok := params[name].(string); ok {
				setParam(s, name, text)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.Props)) {
		if strings.HasPrefix(name, "avro") {
			setParam(s, name, fmt.Sprint(n.Props[name]))
		}
	}
	if name, ok := n.Props[nameProp].(string); ok && !strings.HasPrefix(name, namespace+"."+defaultName) {
		s.Name = name
	}
	if value, ok := n.Props[defaultProp]; ok {
		if v, ok := defaultValue(s, value); ok {
			s.Default = &v
		}
	}
	return made
}

func setParam(s *record.Schema, name, value string) {
	for i := range s.Params {
		if s.Params[i].Name == name {
			s.Params[i].Value = value
			return
		}
	}
	s.Params = append(s.Params, record.Param{Name: name, Value: value})
}
