package convert_test

import (
	"fmt"

	"connectd/convert"
	"connectd/record"
)

// A topic without schemas: the fields say themselves what they are, and a sink asks for what its
// columns need.
func ExampleJSON_Decode() {
	settings := new(convert.JSONConfig)
	settings.Defaults()
	settings.Schemas = false
	json, err := convert.NewJSON(settings)
	if err != nil {
		fmt.Println(err)
		return
	}
	row, err := json.Decode(new(record.Batch), "orders", []byte(`{"id":7,"amount":12.50,"created":"2026-11-21T01:02:03Z"}`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	field := func(i int) record.Datum {
		return record.Datum{Schema: row.Schema.Fields[i].Schema, Value: row.Value.Items[i]}
	}
	id, _ := convert.AsInt(field(0))
	amount, _ := convert.AsDecimal(nil, field(1))
	created, _ := convert.AsMicros(field(2))
	fmt.Println(id, string(amount), created)
	_, err = convert.AsDays(field(2))
	fmt.Println(err)
	// Output:
	// 7 12.50 1795222923000000
	// "2026-11-21T01:02:03Z": has a time of day, a date has none
}
