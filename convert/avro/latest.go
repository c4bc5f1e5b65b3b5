package avro

import (
	"fmt"

	"connectd/convert"
)

// latest is the id of the newest schema of subject, which t's mapping must fit.
func (c *Converter) latest(subject string, t *target) (int, error) {
	id, s, err := c.client.Latest(subject)
	if err != nil {
		return 0, err
	}
	if t.mapping, err = t.mapping.onto(s.Text, s.References); err != nil {
		return 0, &convert.Blocked{Permanent: true, Err: fmt.Errorf("the newest schema of subject %q (id %d) does not fit the records: %w; register one that does, or set auto.register.schemas: true", subject, id, err)}
	}
	return id, nil
}
