package avro

import (
	"fmt"
	"strings"
)

// The names that AvroData gives to what has none, and the properties in which it keeps what Avro
// has no place for.
const (
	namespace     = "io.confluent.connect.avro"
	defaultName   = "ConnectDefault"
	mapEntryName  = "MapEntry"
	anythingName  = namespace + ".Anything"
	unionName     = namespace + ".Union"
	enumParam     = namespace + ".Enum"
	recordDoc     = namespace + ".record.doc"
	fieldDoc      = namespace + ".field.doc."
	enumDoc       = namespace + ".enum.doc."
	enumDefault   = namespace + ".enum.default."
	fieldDefault  = namespace + ".field.default"
	nameProp      = "connect.name"
	docProp       = "connect.doc"
	versionProp   = "connect.version"
	defaultProp   = "connect.default"
	paramsProp    = "connect.parameters"
	typeProp      = "connect.type"
	internalProp  = "connect.internal.type"
	fixedSize     = "connect.fixed.size"
	precisionName = "connect.decimal.precision"
)

// typeNames are Avro's own, which no named type can have without its namespace.
var typeNames = map[string]bool{
	"null": true, "boolean": true, "int": true, "long": true, "float": true, "double": true, "bytes": true, "string": true,
	"record": true, "error": true, "enum": true, "array": true, "map": true, "fixed": true, "union": true,
}

// splitName is the namespace and the last part of a full name.
func splitName(full string) (space, name string) {
	if i := strings.LastIndexByte(full, '.'); i >= 0 {
		return full[:i], full[i+1:]
	}
	return "", full
}

// avroName is the full name that a schema called name has in Avro.
func (m *mapper) avroName(name string) (string, error) {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		var err error
		if parts[i], err = m.part(part); err != nil {
			return "", fmt.Errorf("the name %q of a schema: %w", name, err)
		}
	}
	return strings.Join(parts, "."), nil
}

// part is name without the characters that Avro does not allow.
func (m *mapper) part(name string) (string, error) {
	if valid(name) {
		return name, nil
	}
	if !m.options.Scrub || name == "" {
		return "", fmt.Errorf("%q is no name in Avro, which has letters, digits and _ only; set scrub.invalid.names: true, or for a PostgreSQL source schema.name.adjustment.mode and field.name.adjustment.mode: avro", name)
	}
	// As Java's URLEncoder has it, with an underscore for whatever is still not allowed then.
	scrubbed := make([]byte, 0, 3*len(name)+1)
	if name[0] >= '0' && name[0] <= '9' {
		scrubbed = append(scrubbed, 'x')
	}
	for _, c := range []byte(name) {
		switch {
		case letter(c) || c >= '0' && c <= '9':
			scrubbed = append(scrubbed, c)
		case c == '.' || c == '-' || c == '*' || c == ' ':
			scrubbed = append(scrubbed, '_')
		default:
			scrubbed = fmt.Appendf(scrubbed, "_%02X", c)
		}
	}
	return string(scrubbed), nil
}

func valid(name string) bool {
	for i := range len(name) {
		if c := name[i]; !letter(c) && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
