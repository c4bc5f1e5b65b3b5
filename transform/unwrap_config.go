package transform

import (
	"fmt"
	"strings"

	"connectd/config"
)

// What becomes of a delete and of the tombstone after it. The names are Debezium's; the last one
// is what its versions before 3.2 did for drop.tombstones=false with delete.handling.mode=none.
const (
	dropBoth             = "drop"                    // nothing
	nullValue            = "tombstone"               // a record with a schema and the value null, which JSON writes as 4 bytes
	rewrite              = "rewrite"                 // the deleted row with __deleted
	rewriteWithTombstone = "rewrite-with-tombstone"  // the same and the tombstone
	deleteToTombstone    = "delete-to-tombstone"     // the tombstone only
	nullWithTombstone    = "tombstone-and-tombstone" // as tombstone, and the tombstone
)

// UnwrapConfig is the settings of io.debezium.transforms.ExtractNewRecordState.
type UnwrapConfig struct {
	Deletes        string `yaml:"delete.tombstone.handling.mode" values:"drop,tombstone,rewrite,rewrite-with-tombstone,delete-to-tombstone" doc:"what becomes of a delete: nothing, a null value (not a Kafka tombstone), the old row with __deleted, the same and a tombstone, or a tombstone"`
	DropTombstones bool   `yaml:"drop.tombstones" doc:"from before Debezium 3.2, where it is ignored; here it is honoured when delete.tombstone.handling.mode is not set"`
	OldDeletes     string `yaml:"delete.handling.mode" values:"drop,none,rewrite" doc:"from before Debezium 3.2, as drop.tombstones"`

	AddFields     []string `yaml:"add.fields" doc:"facts to add to the row: op, ts_ms, a field of the source block, source.lsn, lsn:NEW_NAME"`
	FieldsPrefix  string   `yaml:"add.fields.prefix" doc:"what the names of the added fields begin with"`
	AddHeaders    []string `yaml:"add.headers" doc:"facts to add as headers, written as in add.fields"`
	HeadersPrefix string   `yaml:"add.headers.prefix" doc:"what the names of the added headers begin with"`

	RouteBy string `yaml:"route.by.field" doc:"the column whose value becomes the topic"`

	DropHeader     string `yaml:"drop.fields.header.name" doc:"the header that lists the columns to leave out"`
	DropFromKey    bool   `yaml:"drop.fields.from.key" doc:"leave them out of the key too"`
	DropCompatible bool   `yaml:"drop.fields.keep.schema.compatible" doc:"leave out only columns that may be null"`

	NullToDefault bool `yaml:"replace.null.with.default" doc:"put a column's default where the value is null: Debezium's default, ours is off because the null is lost"`

	legacy bool // only the settings from before 3.2 are written
}

// Defaults fills in Debezium's, but for replace.null.with.default.
func (c *UnwrapConfig) Defaults() {
	*c = UnwrapConfig{
		Deletes: nullValue, DropTombstones: true, OldDeletes: "drop",
		FieldsPrefix: "__", HeadersPrefix: "__", DropCompatible: true,
	}
}

// Validate checks the references, and which of the settings for deletes count.
func (c *UnwrapConfig) Validate(r *config.Report) {
	now := r.Set("delete.tombstone.handling.mode")
	for _, old := range []string{"drop.tombstones", "delete.handling.mode"} {
		switch {
		case !r.Set(old):
		case now:
			r.Warnf(old, "has no effect beside delete.tombstone.handling.mode=%s", c.Deletes)
		default:
			c.legacy = true
		}
	}
	if _, err := parseReferences(c.AddFields, c.FieldsPrefix); err != nil {
		r.Errorf("add.fields", "%v", err)
	}
	if _, err := parseReferences(c.AddHeaders, c.HeadersPrefix); err != nil {
		r.Errorf("add.headers", "%v", err)
	}
	if c.DropHeader == "" && c.DropFromKey {
		r.Warnf("drop.fields.from.key", "has no effect without drop.fields.header.name")
	}
}

// deletes is the mode that counts.
func (c *UnwrapConfig) deletes() (string, error) {
	mode := c.Deletes
	if c.legacy {
		switch {
		case c.OldDeletes == "rewrite" && c.DropTombstones:
			mode = rewrite
		case c.OldDeletes == "rewrite":
			mode = rewriteWithTombstone
		case c.OldDeletes == "none" && c.DropTombstones:
			mode = nullValue
		case c.OldDeletes == "none":
			mode = nullWithTombstone
		case c.DropTombstones:
			mode = dropBoth
		default:
			mode = deleteToTombstone
		}
	}
	switch mode {
	case dropBoth, nullValue, rewrite, rewriteWithTombstone, deleteToTombstone, nullWithTombstone:
		return mode, nil
	}
	return "", fmt.Errorf("delete.tombstone.handling.mode: %q is not a mode", mode)
}

// parseReferences reads the list of add.fields or add.headers.
func parseReferences(list []string, prefix string) ([]reference, error) {
	var refs []reference
	seen := map[string]bool{}
	for _, text := range list {
		ref, err := parseReference(strings.TrimSpace(text), prefix)
		if err != nil {
			return nil, err
		}
		if seen[ref.as] {
			return nil, fmt.Errorf("%q is there twice; give one of them another name with a colon", ref.as)
		}
		seen[ref.as] = true
		refs = append(refs, ref)
	}
	return refs, nil
}

// parseReference reads [block.]name[:new name].
func parseReference(text, prefix string) (reference, error) {
	from, renamed, isRenamed := strings.Cut(text, ":")
	block, name, dotted := strings.Cut(from, ".")
	ref := reference{block: block, name: name, as: prefix + block + "_" + name}
	if !dotted {
		ref = reference{block: blockOf(from), name: from, as: prefix + from}
	}
	if isRenamed {
		ref.as = prefix + renamed
	}
	if ref.name == "" || ref.as == prefix || strings.ContainsAny(name, ".") {
		return ref, fmt.Errorf("%q is not a field of an envelope; write op, lsn, source.lsn or lsn:NEW_NAME", text)
	}
	switch ref.block {
	case "", "source", "transaction", "before", "after":
		return ref, nil
	}
	return ref, fmt.Errorf("%q is in no part of an envelope; the parts are source, transaction, before and after", text)
}

// blockOf is the part of an envelope that a name without a dot belongs to.
func blockOf(name string) string {
	switch name {
	case "op", "ts_ms", "ts_us", "ts_ns":
		return ""
	case "id", "total_order", "data_collection_order":
		return "transaction"
	}
	return "source"
}
