package convert

import (
	"connectd/config"
	"connectd/record"
)

// JSONConfig is the settings of the JSON converter, by the names of Kafka Connect's.
type JSONConfig struct {
	Schemas       bool   `yaml:"schemas.enable" doc:"write and expect {\"schema\":…,\"payload\":…}"`
	CacheSize     int    `yaml:"schemas.cache.size" doc:"how many schemas read from records are remembered"`
	Decimals      string `yaml:"decimal.format" values:"BASE64,NUMERIC" doc:"how Decimal values are written: base64 of the unscaled integer, or a number"`
	NullToDefault bool   `yaml:"replace.null.with.default" doc:"write a column's default where the value is null: Kafka Connect's default, ours is off because the null is lost"`
}

// Defaults fills in Kafka Connect's defaults, but for replace.null.with.default.
func (c *JSONConfig) Defaults() {
	c.Schemas, c.CacheSize, c.Decimals = true, 1000, "BASE64"
}

// Validate checks the ranges.
func (c *JSONConfig) Validate(r *config.Report) {
	if c.CacheSize < 1 {
		r.Errorf("schemas.cache.size", "%d schemas can not be remembered; write at least 1", c.CacheSize)
	}
}

// JSON is the converter that Kafka Connect calls JsonConverter. What it writes is the same byte
// for byte.
type JSON struct {
	schemas   bool // with schemas
	numeric   bool // Decimal as a number
	defaults  bool // a default for a null
	cacheSize int

	// For writing.
	plans  map[*record.Schema]*plan
	tables map[*record.Table]*tablePlan
	recent *tablePlan     // of the change before
	block  []record.Value // the source block of the change at hand

	// For reading.
	scan          scanner
	cells         []record.Value            // cells of the arrays and maps that are not yet complete, a stack
	name          []byte                    // a name without its escapes
	shapes        map[*record.Schema]*shape // roots by hint
	nodes         int                       // shapes in all trees
	inBand        map[string]*record.Schema // by the text of the schema
	latest        *record.Schema            // the schema that the record before carried
	latestText    []byte                    // and its text
	inBandPayload bool                      // the value that is being read carries its schema
}

// NewJSON builds a JSON converter.
func NewJSON(c *JSONConfig) (*JSON, error) {
	return &JSON{
		schemas:   c.Schemas,
		numeric:   c.Decimals == "NUMERIC",
		defaults:  c.NullToDefault,
		cacheSize: max(1, c.CacheSize),
		plans:     map[*record.Schema]*plan{},
		tables:    map[*record.Table]*tablePlan{},
		shapes:    map[*record.Schema]*shape{},
		inBand:    map[string]*record.Schema{},
	}, nil
}

// Encode appends d as JSON. A datum without schema and value is Kafka's null; one with a schema
// and no value is the text null.
func (j *JSON) Encode(dst []byte, topic string, d record.Datum) (out []byte, null bool, err error) {
	if d.IsNull() {
		return dst, true, nil
	}
	p := j.plan(d.Schema)
	if !j.schemas {
		out, err = j.appendValue(dst, p, &d.Value)
		return out, false, err
	}
	dst = append(dst, j.header(p)...)
	if dst, err = j.appendValue(dst, p, &d.Value); err != nil {
		return dst, false, err
	}
	return append(dst, '}'), false, nil
}

// EncodeChange appends the envelope of c.
func (j *JSON) EncodeChange(dst []byte, topic string, c *record.Change) ([]byte, error) {
	t := j.recent
	if t == nil || t.table != c.Table {
		t = j.tablePlan(c.Table)
	}
	if j.schemas {
		dst = append(dst, j.header(t.envelope)...)
	}
	dst, err := j.appendEnvelope(dst, t, c)
	if err != nil {
		return dst, err
	}
	if j.schemas {
		dst = append(dst, '}')
	}
	return dst, nil
}

// Decode reads data: with schemas.enable by the schema that it carries, else by hint, and without
// a hint by itself.
func (j *JSON) Decode(b *record.Batch, topic string, data []byte, hint *record.Schema) (record.Datum, error) {
	if data == nil {
		return record.Datum{}, nil
	}
	if j.nodes > maxShapes {
		clear(j.shapes)
		j.nodes = 0
	}
	j.scan = scanner{data: data}
	j.cells = j.cells[:0]
	j.inBandPayload = false
	var d record.Datum
	var err error
	if j.schemas {
		d, err = j.readInBand(b, hint)
	} else {
		d, err = j.readDocument(b, hint)
	}
	if err == nil {
		err = j.scan.end()
	}
	if err != nil {
		return record.Datum{}, err
	}
	return d, nil
}
