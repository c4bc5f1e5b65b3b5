package api

import (
	"fmt"
	"strings"

	"connectd/config"
)

// The variables of templates. offset is the number of the first record of a page; with
// http.offset.mode it is what Confluent means by it.
var variables = []string{"cursor", "page", "offset", "token", "size", "now", "now.seconds", "now.millis", "endpoint"}

// template is text with variables.
type template []piece

// piece is text, or a variable when name is set.
type piece struct{ text, name string }

// parseTemplate reads text. castorm's ${offset.timestamp} is the cursor, and
// Confluent's ${entityName} the endpoint.
func parseTemplate(text string) (template, error) {
	var t template
	for text != "" {
		before, rest, found := strings.Cut(text, "${")
		if before != "" {
			t = append(t, piece{text: before})
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("%q has no } after ${", text)
		}
		switch name {
		case "offset.timestamp":
			name = "cursor"
		case "entityName":
			name = "endpoint"
		}
		if !known(name) {
			return nil, unknownVariable(name)
		}
		t = append(t, piece{name: name})
		text = after
	}
	return t, nil
}

func known(name string) bool {
	for _, v := range variables {
		if v == name {
			return true
		}
	}
	return false
}

func unknownVariable(name string) error {
	if strings.ContainsAny(name, "?(") {
		return fmt.Errorf("${%s} is an expression of FreeMarker, which is not supported; write ${cursor}, and its form as http.cursor.request.format", name)
	}
	if near := config.Nearest(name, variables); near != "" {
		return fmt.Errorf("${%s} is not a variable; did you mean ${%s}?", name, near)
	}
	return fmt.Errorf("${%s} is not a variable; write one of ${%s}", name, strings.Join(variables, "}, ${"))
}

// uses says whether t has the variable.
func (t template) uses(name string) bool {
	for _, p := range t {
		if p.name == name {
			return true
		}
	}
	return false
}

// values are what the variables stand for; those that are not there have no value yet.
type values map[string]string

// complete says whether every variable of t has a value.
func (t template) complete(v values) bool {
	for _, p := range t {
		if _, ok := v[p.name]; p.name != "" && !ok {
			return false
		}
	}
	return true
}

// text is t with its variables' values as escape writes them; those without a value are empty.
func (t template) text(v values, escape func(string) string) string {
	var s strings.Builder
	for _, p := range t {
		if p.name == "" {
			s.WriteString(p.text)
		} else {
			s.WriteString(escape(v[p.name]))
		}
	}
	return s.String()
}

func plain(text string) string { return text }
