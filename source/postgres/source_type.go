package postgres

import (
	"math"
	"strconv"
	"strings"

	"connectd/record"
)

// unlimited is the length of a type without one, as the JDBC driver has it.
const unlimited = math.MaxInt32

// size is the length and scale that the JDBC driver tells of a column of type t, or of the type
// that it is a domain of: Debezium's columns have them.
func size(types typeTable, t *pgType, typmod int32) (length, scale int) {
	for t.kind == 'd' {
		if t.baseMod >= 0 {
			typmod = t.baseMod
		}
		t = types[t.base]
	}
	if t.array() {
		return size(types, types[t.elem], typmod)
	}
	fraction := 6
	if typmod >= 0 {
		fraction = int(typmod & 0xFFFF)
	}
	switch t.name {
	case "bool", "char":
		return 1, 0
	case "int2":
		return 5, 0
	case "int4", "oid":
		return 10, 0
	case "int8":
		return 19, 0
	case "float4":
		return 8, 8
	case "float8":
		return 17, 17
	case "name":
		return 63, 0
	case "numeric":
		if typmod < 4 {
			return 131089, 0
		}
		return int(typmod-4) >> 16, int(typmod-4) & 0xFFFF
	case "varchar", "bpchar":
		if typmod >= 4 {
			return int(typmod - 4), 0
		}
	case "bit", "varbit":
		if typmod >= 0 {
			return int(typmod), 0
		}
		if t.name == "bit" {
			return 1, 0
		}
	case "date":
		return 13, 0
	case "time":
		return withFraction(8, fraction), fraction
	case "timetz":
		return withFraction(14, fraction), fraction
	case "timestamp":
		return withFraction(22, fraction), fraction
	case "timestamptz":
		return withFraction(28, fraction), fraction
	case "interval":
		return 49, fraction
	}
	return unlimited, 0
}

// withFraction is how many characters the driver allows for a time that has so many without its
// fraction.
func withFraction(whole, fraction int) int {
	switch fraction {
	case 0:
		return whole
	case 1:
		return whole + 3
	}
	return whole + 1 + fraction
}

// textual says whether the JDBC driver calls values of the type character strings.
func textual(types typeTable, t *pgType) bool {
	for t.kind == 'd' {
		t = types[t.base]
	}
	switch t.name {
	case "text", "varchar", "bpchar", "char", "name":
		return t.schema == "pg_catalog"
	}
	return t.kind == 'e'
}

// sourceType are the parameters that tell of the column in the database.
func sourceType(types typeTable, t *pgType, typmod int32, a attribute, name string) []record.Param {
	length, scale := size(types, t, typmod)
	return []record.Param{
		{Name: "__debezium.source.column.type", Value: strings.ToUpper(typeName(t, a))},
		{Name: "__debezium.source.column.length", Value: strconv.Itoa(length)},
		{Name: "__debezium.source.column.scale", Value: strconv.Itoa(scale)},
		{Name: "__debezium.source.column.name", Value: name},
	}
}

// typeName is the name of a column's type as the JDBC driver has it, which knows serial columns.
func typeName(t *pgType, a attribute) string {
	if strings.HasPrefix(a.defaultExpr, "nextval(") {
		switch t.name {
		case "int2":
			return "smallserial"
		case "int4":
			return "serial"
		case "int8":
			return "bigserial"
		}
	}
	return t.name
}
