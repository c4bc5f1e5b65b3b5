package postgres

// form is how the values of a column's type are written as text.
type form uint8

const (
	otherForm form = iota // the text is passed on: the server reads it (inet, xml, ranges, …)
	boolForm
	int2Form
	int4Form
	int8Form
	float4Form
	float8Form
	numericForm
	textForm
	byteaForm
	dateForm
	timeForm
	timestampForm
	timestamptzForm
	intervalForm
	uuidForm
	jsonForm
	jsonbForm
	bitForm
	enumForm
	hstoreForm
	geometryForm // of PostGIS: geography too
	pointForm
	arrayForm
)

// typ is a column's type, with domains resolved.
type typ struct {
	form     form
	limit    int  // of text: characters, 0 for none; of numeric: precision, 0 for none
	octets   bool // limit is of the octets of a text
	scale    int  // of numeric with a precision
	blanks   bool // char(n): trailing blanks do not count
	caseless bool // citext
	elem     *typ // of an array
}

var forms = map[string]form{
	"bool": boolForm, "int2": int2Form, "int4": int4Form, "int8": int8Form, "float4": float4Form, "float8": float8Form,
	"numeric": numericForm, "text": textForm, "varchar": textForm, "bpchar": textForm, "name": textForm, "citext": textForm,
	"bytea": byteaForm, "date": dateForm, "time": timeForm, "timestamp": timestampForm, "timestamptz": timestamptzForm,
	"interval": intervalForm, "uuid": uuidForm, "json": jsonForm, "jsonb": jsonbForm, "bit": bitForm, "varbit": bitForm,
	"hstore": hstoreForm, "geometry": geometryForm, "geography": geometryForm, "point": pointForm,
}

// modHeader is what PostgreSQL adds to the modifier of a type of variable length.
const modHeader = 4

// newTyp is the type of pg_type.typname with the modifier of pg_attribute.atttypmod.
func newTyp(typname string, mod int32) typ {
	t := typ{form: forms[typname], blanks: typname == "bpchar", caseless: typname == "citext"}
	if typname == "name" {
		t.limit, t.octets = maxIdentifier, true // PostgreSQL cuts off a longer one without an error
	}
	if mod < modHeader {
		return t
	}
	switch {
	case typname == "varchar" || typname == "bpchar":
		t.limit = int(mod - modHeader)
	case t.form == numericForm:
		t.limit = int((mod-modHeader)>>16) & 0xffff
		// 11 bits, signed from PostgreSQL 15 on.
		t.scale = int(((mod-modHeader)&0x7ff)^1024) - 1024
	}
	return t
}

var formNames = map[form]string{
	boolForm: "boolean", int2Form: "smallint", int4Form: "integer", int8Form: "bigint", float4Form: "real", float8Form: "double precision",
	numericForm: "numeric", textForm: "text", byteaForm: "bytea", dateForm: "date", timeForm: "time", timestampForm: "timestamp",
	timestamptzForm: "timestamptz", intervalForm: "interval", uuidForm: "uuid", jsonForm: "json", jsonbForm: "jsonb", bitForm: "bit",
}
