package avro

import (
	"fmt"

	"connectd/convert"
	"connectd/convert/registry"
)

// latest is the id of the newest schema of subject, which t's values must fit.
func (c *Converter) latest(subject string, t *target) (int, error) {
	id, s, err := c.client.Latest(subject)
	if err != nil {
		return 0, err
	}
	return id, t.fit(s, fmt.Sprintf("the newest schema of subject %q (id %d)", subject, id))
}

// fixed is the id of the settings, whose schema t's values must fit.
func (c *Converter) fixed(t *target) (int, error) {
	id := c.config.SchemaID
	s, err := c.client.ByID(id)
	if err != nil {
		return 0, err
	}
	return id, t.fit(s, fmt.Sprintf("the schema with id %d", id))
}

// fit lets values be written as s has them.
func (t *target) fit(s registry.Schema, what string) (err error) {
	if t.mapping, err = t.mapping.onto(s.Text, s.References); err != nil {
		return &convert.Blocked{Permanent: true, Err: fmt.Errorf("%s does not fit the records: %w; register one that does, or set auto.register.schemas: true", what, err)}
	}
	return nil
}
