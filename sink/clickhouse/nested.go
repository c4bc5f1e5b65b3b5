package clickhouse

import (
	"fmt"
	"slices"
	"strings"

	"connectd/record"
)

// nested are the places of the columns of the Nested column called name, which the server shows as
// an array for each member: items.sku, items.qty.
func (t *table) nested(name string) (columns []int) {
	for i, c := range t.columns {
		if strings.HasPrefix(c.name, name+".") && strings.HasPrefix(c.kind, "Array(") {
			columns = append(columns, i)
		}
	}
	return columns
}

// mapNested fills the columns of a Nested column from the field f, an array of structs or objects.
func (t *table) mapNested(columns []int, field int, f record.Field, add func(int, cell)) {
	var all []string
	for _, i := range columns {
		all = append(all, t.columns[i].name[len(f.Name)+1:])
	}
	for n, i := range columns {
		c := cell{from: fromValue, field: field, schema: f.Schema, member: all[n]}
		if n == 0 {
			c.members = all // one of them looks for members that have no column
		}
		add(i, c)
	}
}

// appendMember adds a row with one member of each element of v. known, where it is given, are all
// the members for which there are columns.
func (c *arrayColumn) appendMember(member string, known []string, s *record.Schema, v *record.Value) error {
	var err error
	switch v.Kind {
	case record.Null:
	case record.Array:
		for i := 0; i < len(v.Items) && err == nil; i++ {
			err = c.addMember(member, known, s, &v.Items[i])
		}
	case record.JSON:
		err = c.addMembersJSON(member, known, v.B)
	default:
		err = fmt.Errorf("%s is not an array of objects", kindName(v.Kind))
	}
	if err != nil {
		return err
	}
	c.end()
	return nil
}

func (c *arrayColumn) addMember(member string, known []string, s *record.Schema, v *record.Value) error {
	switch {
	case v.Kind == record.Null:
		c.addDefault()
		return nil
	case v.Kind == record.JSON:
		return c.addMemberJSON(member, known, v.B)
	case v.Kind != record.Struct || s == nil || s.Elem == nil || len(s.Elem.Fields) != len(v.Items):
		return fmt.Errorf("an element is %s and no object", kindName(v.Kind))
	}
	for _, f := range s.Elem.Fields {
		if known != nil && !slices.Contains(known, f.Name) {
			return noMember(f.Name)
		}
	}
	at := s.Elem.Index(member)
	if at < 0 {
		c.addDefault()
		return nil
	}
	return c.add(s.Elem.Fields[at].Schema, &v.Items[at])
}

func (c *arrayColumn) addMembersJSON(member string, known []string, text []byte) error {
	if err := c.scan.open(text, '['); err != nil {
		return err
	}
	for i := 0; ; i++ {
		v, ok, err := c.scan.element(i == 0, ']')
		if err != nil || !ok {
			return err
		}
		if err := c.addMember(member, known, nil, &v); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
}

// addMemberJSON adds the member of one object, which is looked through to its end.
func (c *arrayColumn) addMemberJSON(member string, known []string, text []byte) error {
	if err := c.object.open(text, '{'); err != nil {
		return err
	}
	found := false
	for i := 0; ; i++ {
		name, ok, err := c.object.name(i == 0)
		switch {
		case err != nil:
			return err
		case !ok && !found:
			c.addDefault()
			return nil
		case !ok:
			return nil
		case known != nil && !slices.Contains(known, string(name)):
			return noMember(string(name))
		}
		wanted := !found && string(name) == member
		v, err := c.object.value()
		if err != nil {
			return err
		}
		if wanted {
			found = true
			if err := c.add(nil, &v); err != nil {
				return err
			}
		}
	}
}

// addDefault adds an element as a record has it that says nothing about it.
func (c *arrayColumn) addDefault() {
	c.elem.appendDefault(1)
	c.count++
}

func noMember(name string) error {
	return fmt.Errorf("there is no column for the member %.80q; add one, or leave it out by a transform", name)
}
