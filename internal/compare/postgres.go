package compare

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// absent stands for NULL in an answer: PostgreSQL can not send the octet 0.
const absent = "\x01"

// Postgres reads table from a PostgreSQL database; name is its name there, quoted as needed.
func (t *Table) Postgres(ctx context.Context, conn *pgx.Conn, name string) (Rows, error) {
	list := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		list[i] = "coalesce(" + c.postgres() + ", chr(1))"
	}
	res, err := conn.Query(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+name)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	rows := Rows{}
	cells := make([]string, len(t.Columns))
	into := make([]any, len(cells))
	for i := range cells {
		into[i] = &cells[i]
	}
	for res.Next() {
		if err := res.Scan(into...); err != nil {
			return nil, err
		}
		for i := range cells {
			if cells[i] == absent {
				cells[i] = null
			}
		}
		if err := t.add(rows, cells); err != nil {
			return nil, err
		}
	}
	return rows, res.Err()
}

// postgres is the SQL expression of the column's text.
func (c Column) postgres() string {
	name := pgx.Identifier{c.Name}.Sanitize()
	switch c.Kind {
	case Moment, Clock:
		return "(extract(epoch from " + name + ") * 1000000)::bigint::text"
	case Day:
		return "(" + name + " - date '1970-01-01')::text"
	case Octets:
		return "encode(" + name + ", 'hex')"
	case Document:
		return "to_json(" + name + ")::text"
	}
	return name + "::text"
}
