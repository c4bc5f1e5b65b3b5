package config

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// field is one tagged field of a Settings.
type field struct {
	key      string // without the ".*" of a wildcard
	wildcard bool   // takes every key that starts with key and a dot
	aliases  []alias
	values   []string // the only ones allowed; nil for any
	doc      string
	noeffect string // why the key is accepted and does nothing
	required bool
	value    reflect.Value // settable, but for keys without effect
}

// alias is another name for a key. A deprecated one, written "old.name!" in the tag, is worth a
// warning.
type alias struct {
	name       string
	deprecated bool
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[Size]()
	secretType   = reflect.TypeFor[Secret]()
	regexpType   = reflect.TypeFor[*regexp.Regexp]()
	listType     = reflect.TypeFor[[]string]()
	mapType      = reflect.TypeFor[map[string]string]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// fieldsOf are the tagged fields of s, those of embedded structs among them. It panics on a
// field that can not be decoded: a mistake in the program, found by the first test of it.
func fieldsOf(s Settings) []field {
	v := reflect.ValueOf(s)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("config: %T is not a pointer to a struct", s))
	}
	return appendFields(nil, v.Elem())
}

func appendFields(fields []field, v reflect.Value) []field {
	for i := range v.NumField() {
		t := v.Type().Field(i)
		key, tagged := t.Tag.Lookup("yaml")
		switch {
		case tagged && key != "-":
			fields = append(fields, newField(key, t, v.Field(i)))
		case t.Anonymous && t.Type.Kind() == reflect.Struct:
			fields = appendFields(fields, v.Field(i))
		}
	}
	return fields
}

func newField(key string, t reflect.StructField, v reflect.Value) field {
	f := field{
		key:      key,
		values:   list(t.Tag.Get("values")),
		doc:      t.Tag.Get("doc"),
		noeffect: t.Tag.Get("noeffect"),
		required: t.Tag.Get("required") == "true",
		value:    v,
	}
	for _, name := range list(t.Tag.Get("alias")) {
		old, deprecated := strings.CutSuffix(name, "!")
		f.aliases = append(f.aliases, alias{old, deprecated})
	}
	f.key, f.wildcard = strings.CutSuffix(key, ".*")
	if f.noeffect == "" && (typeName(t.Type) == "" || !v.CanSet() || f.wildcard && t.Type != mapType) {
		panic(fmt.Sprintf("config: the field %s (%s) can not be decoded", t.Name, key))
	}
	return f
}

// name is the documented key.
func (f *field) name() string {
	if f.wildcard {
		return f.key + ".*"
	}
	return f.key
}

// takes says whether f is the field of key's rest: a wildcard, or a map written as nested keys.
func (f *field) takes(key string) (rest string, ok bool) {
	if !f.wildcard && (f.noeffect != "" || f.value.Type() != mapType) {
		return "", false
	}
	rest, ok = strings.CutPrefix(key, f.key+".")
	return rest, ok && rest != ""
}

// typeName is what a setting of type t is called in the reference; "" when t can not be decoded.
func typeName(t reflect.Type) string {
	switch t {
	case durationType:
		return "duration"
	case sizeType:
		return "size"
	case secretType:
		return "password"
	case regexpType:
		return "regex"
	case listType:
		return "list"
	case mapType:
		return "map"
	}
	if reflect.PointerTo(t).Implements(textType) {
		return "string"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int32:
		return "int"
	case reflect.Int64:
		return "long"
	case reflect.Float64:
		return "double"
	}
	return ""
}
