package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"
)

// set decodes e into f and says what is wrong with it, "" for nothing.
func (f *field) set(e Entry) (wrong string) {
	v, text := f.value, strings.TrimSpace(e.Value)
	switch v.Type() {
	case durationType:
		d, wrong := parseDuration(f.key, text)
		if wrong == "" {
			v.SetInt(int64(d))
		}
		return about(e, wrong)
	case sizeType:
		n, err := ParseSize(text)
		if err != nil {
			return about(e, err.Error())
		}
		v.SetInt(int64(n))
		return ""
	case secretType:
		v.SetString(e.Value) // a password may begin or end with a space
		return ""
	case regexpType:
		return f.setRegexp(e)
	case listType:
		return f.setList(e)
	case mapType:
		return f.setMap(e)
	}
	if t, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := t.UnmarshalText([]byte(text)); err != nil {
			return about(e, "is not "+f.noun()+": "+e.cover(err.Error()))
		}
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		return f.setString(e)
	case reflect.Bool:
		return about(e, f.setBool(text))
	case reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) {
			return about(e, "is not a number; write digits, such as 0.5")
		}
		v.SetFloat(n)
		return ""
	default:
		return about(e, f.setInt(text))
	}
}

// about is a message about the value of e. A value that came out of a reference may be a secret:
// the message shows the reference.
func about(e Entry, wrong string) string {
	switch {
	case wrong == "":
		return ""
	case e.Raw != e.Value:
		return "the value of " + e.Raw + " " + wrong
	}
	return strconv.Quote(e.Value) + " " + wrong
}

// noun is the field in words: "a snapshot mode".
func (f *field) noun() string {
	words := strings.ReplaceAll(f.key, ".", " ")
	if f.value.Type() == listType {
		return "one of the " + words
	}
	if strings.ContainsRune("aeiou", rune(words[0])) {
		return "an " + words
	}
	return "a " + words
}

// allowed is value in the spelling of the tag, or what is wrong with it.
func (f *field) allowed(value string) (spelled, wrong string) {
	if f.values == nil {
		return value, ""
	}
	if value == "" && f.value.Kind() == reflect.String && f.value.Len() == 0 {
		return "", "" // the default, written out, as properties files do
	}
	for _, v := range f.values {
		if strings.EqualFold(v, strings.TrimSpace(value)) {
			return v, ""
		}
	}
	choice := strings.Join(f.values, ", ")
	if near := Nearest(value, f.values); near != "" {
		return "", fmt.Sprintf("is not %s; did you mean %q? (%s)", f.noun(), near, choice)
	}
	return "", fmt.Sprintf("is not %s; write one of %s", f.noun(), choice)
}

func (f *field) setString(e Entry) string {
	value, wrong := f.allowed(e.Value)
	if wrong != "" {
		return about(e, wrong)
	}
	f.value.SetString(value)
	return ""
}

func (f *field) setBool(text string) string {
	switch strings.ToLower(text) {
	case "true":
		f.value.SetBool(true)
	case "false":
		f.value.SetBool(false)
	case "yes", "y", "on", "1", "enable", "enabled":
		return "is neither true nor false; write true"
	case "no", "n", "off", "0", "disable", "disabled":
		return "is neither true nor false; write false"
	default:
		return "is neither true nor false; write one of them"
	}
	return ""
}

func (f *field) setInt(text string) string {
	n, err := strconv.ParseInt(text, 10, f.value.Type().Bits())
	switch {
	case errors.Is(err, strconv.ErrRange):
		limit := int64(math.MaxInt64)
		if f.value.Type().Bits() == 32 {
			limit = math.MaxInt32
		}
		return fmt.Sprintf("is out of range; the largest number is %d", limit)
	case err != nil:
		return "is not a whole number; write digits only, such as " + f.example()
	}
	f.value.SetInt(n)
	return ""
}

// example is a number that could stand there: the default where that says something.
func (f *field) example() string {
	if n := f.value.Int(); n != 0 {
		return strconv.FormatInt(n, 10)
	}
	return "10"
}

// parseDuration reads the text of the setting key. Kafka's keys carry the unit in their name
// (heartbeat.interval.ms: 10000); every other key needs it in the value (10s).
func parseDuration(key, text string) (d time.Duration, wrong string) {
	unit, unitName := unitOf(key)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		switch {
		case n == 0:
			return 0, ""
		case unit == 0:
			return 0, fmt.Sprintf("has no unit; write %ds or %dm", n, n)
		case n > math.MaxInt64/int64(unit) || n < math.MinInt64/int64(unit):
			// Java's Long.MAX_VALUE milliseconds is how Kafka writes "for ever".
			return time.Duration(math.MaxInt64), ""
		}
		return time.Duration(n) * unit, ""
	}
	d, err := time.ParseDuration(text)
	switch {
	case err == nil:
		return d, ""
	case unit != 0:
		return 0, "is not a duration; write " + unitName + " as digits, or a number with ms, s, m or h, such as 10s"
	}
	return 0, "is not a duration; write a number with ms, s, m or h, such as 10s"
}

// unitOf is the unit that the last word of key names, 0 for none.
func unitOf(key string) (unit time.Duration, name string) {
	switch key[strings.LastIndexByte(key, '.')+1:] {
	case "ms", "millis", "milliseconds":
		return time.Millisecond, "milliseconds"
	case "s", "sec", "seconds":
		return time.Second, "seconds"
	}
	return 0, ""
}

func (f *field) setRegexp(e Entry) string {
	re, err := regexp.Compile(e.Value)
	if err == nil {
		f.value.Set(reflect.ValueOf(re))
		return ""
	}
	cause := "it can not be compiled"
	var at *syntax.Error
	if errors.As(err, &at) {
		cause = at.Code.String()
		if e.Raw == e.Value && at.Expr != e.Value {
			cause += " at " + at.Expr
		}
	}
	return about(e, "is not a regular expression: "+cause+
		"; correct it (there is no look-ahead, look-behind or back-reference: see https://github.com/google/re2/wiki/Syntax)")
}

func (f *field) setList(e Entry) string {
	items := list(e.Value)
	for i, item := range items {
		spelled, wrong := f.allowed(item)
		if wrong != "" {
			if e.Raw != e.Value {
				return about(e, "has an item that "+wrong)
			}
			return strconv.Quote(item) + " " + wrong
		}
		items[i] = spelled
	}
	f.value.Set(reflect.ValueOf(items))
	return ""
}

func (f *field) setMap(e Entry) string {
	m := map[string]string{}
	for _, item := range list(e.Value) {
		at := strings.IndexAny(item, "=:")
		if at < 1 {
			return about(e, "is not a list of pairs; write name=value,name=value")
		}
		m[strings.TrimSpace(item[:at])] = strings.TrimSpace(item[at+1:])
	}
	f.value.Set(reflect.ValueOf(m))
	return ""
}

// list splits text at commas and drops the spaces around the items, and empty items. A comma
// after a backslash belongs to the item, as in Debezium's lists of regular expressions.
func list(text string) []string {
	var items []string
	var item strings.Builder
	end := func() {
		if s := strings.TrimSpace(item.String()); s != "" {
			items = append(items, s)
		}
		item.Reset()
	}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == ',':
			item.WriteByte(',')
			i++
		case text[i] == ',':
			end()
		default:
			item.WriteByte(text[i])
		}
	}
	end()
	return slices.Clip(items)
}
