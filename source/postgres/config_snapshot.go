package postgres

import (
	"strings"
	"time"

	"connectd/config"
)

// Snapshot says what is read before streaming.
type Snapshot struct {
	Mode      string            `yaml:"snapshot.mode" values:"always,configuration_based,exported,initial,initial_only,never,no_data,when_needed" doc:"when to read the tables' rows before streaming"`
	Tables    []string          `yaml:"snapshot.include.collection.list" doc:"regular expressions of the captured tables to snapshot; all when empty"`
	Overrides []string          `yaml:"snapshot.select.statement.overrides" doc:"tables (schema.table) of which a SELECT gives the rows"`
	Selects   map[string]string `yaml:"snapshot.select.statement.overrides.*" doc:"that SELECT, by the table's name; its columns have the names of the table's"`
	Threads   int               `yaml:"snapshot.max.threads" doc:"connections that read tables, and ranges of large tables, at the same time"`
	Order     string            `yaml:"snapshot.tables.order.by.row.count" values:"disabled,ascending,descending" doc:"read small or large tables first"`
	Delay     time.Duration     `yaml:"snapshot.delay.ms" doc:"pause before the snapshot"`
	StreamLag time.Duration     `yaml:"streaming.delay.ms" doc:"pause between the snapshot and streaming"`

	BasedData    bool   `yaml:"snapshot.mode.configuration.based.snapshot.data" doc:"with snapshot.mode configuration_based: read the rows at every start"`
	BasedStream  bool   `yaml:"snapshot.mode.configuration.based.start.stream" doc:"with snapshot.mode configuration_based: stream"`
	BasedOnError bool   `yaml:"snapshot.mode.configuration.based.snapshot.on.data.error" doc:"with snapshot.mode configuration_based: read the rows again when changes are lost"`
	BasedSchema  string `yaml:"snapshot.mode.configuration.based.snapshot.schema" noeffect:"PostgreSQL sends the schema with the changes"`
	BasedHistory string `yaml:"snapshot.mode.configuration.based.snapshot.on.schema.error" noeffect:"PostgreSQL sends the schema with the changes"`
}

// takes says whether a start reads the rows, when there is no gap before the stored position.
func (c *Snapshot) takes(stored *position) bool {
	switch c.Mode {
	case "always":
		return true
	case "no_data":
		return false
	case "configuration_based":
		return c.BasedData
	}
	return stored == nil || stored.unfinished()
}

// streams says whether changes are read after the rows.
func (c *Snapshot) streams() bool {
	return c.Mode != "initial_only" && (c.Mode != "configuration_based" || c.BasedStream)
}

// mends says whether the rows are read again when changes are lost.
func (c *Snapshot) mends() bool {
	return c.Mode == "when_needed" || c.Mode == "configuration_based" && c.BasedOnError
}

// statement is the SELECT that gives the rows of the table, "" for the table itself.
func (c *Snapshot) statement(table string) string {
	return strings.TrimRight(strings.TrimSpace(c.Selects[table]), "; \t\r\n")
}

func (c *Snapshot) validate(r *config.Report) {
	switch c.Mode {
	case "never":
		c.Mode = "no_data"
	case "exported":
		c.Mode = "initial" // Debezium's name until 1.9, and what it always is here
	}
	if c.Mode == "configuration_based" && !c.BasedData && !c.BasedStream {
		r.Errorf("snapshot.mode", "configuration_based does nothing without rows and without changes; set snapshot.mode.configuration.based.start.stream or ….snapshot.data to true")
	}
	if c.Threads < 1 || c.Threads > 64 {
		r.Errorf("snapshot.max.threads", "is %d; write 1 to 64", c.Threads)
	}
	listed := map[string]bool{}
	for _, table := range c.Overrides {
		table = strings.TrimSpace(table)
		listed[table] = true
		if c.statement(table) == "" {
			r.Errorf("snapshot.select.statement.overrides", "%q has no SELECT; write it in snapshot.select.statement.overrides.%s", table, table)
		}
	}
	for table := range c.Selects {
		if !listed[table] {
			r.Errorf("snapshot.select.statement.overrides."+table, "is of a table that snapshot.select.statement.overrides does not list; add it there")
		}
	}
}
