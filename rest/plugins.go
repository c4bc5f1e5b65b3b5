package rest

import (
	"net/http"

	"connectd/connect"
)

// plugin is one class of the table, under its own name or under that of a Java class that it
// stands in for.
type plugin struct {
	Class   string `json:"class"`
	Type    string `json:"type"` // source, sink, converter, header_converter, transformation, predicate
	Version string `json:"version"`
}

// pluginsOf lists the tables, each plugin under all its names.
func pluginsOf(p connect.Plugins, version string) []plugin {
	var all []plugin
	for _, table := range []struct {
		kind    string
		plugins []connect.Plugin
	}{
		{string(connect.SinkKind), p.Sinks},
		{string(connect.SourceKind), p.Sources},
		{"converter", p.Converters},
		{"transformation", p.Transforms},
	} {
		for _, line := range table.plugins {
			for _, class := range append([]string{line.Class}, line.Aliases...) {
				all = append(all, plugin{class, table.kind, version})
			}
		}
	}
	return all
}

// typesOf is the type of each connector class, by all its names.
func typesOf(plugins []plugin) map[string]string {
	types := map[string]string{}
	for _, p := range plugins {
		if p.connects() {
			types[p.Class] = p.Type
		}
	}
	return types
}

// connects says whether p is a source or a sink.
func (p plugin) connects() bool {
	return p.Type == string(connect.SourceKind) || p.Type == string(connect.SinkKind)
}

func (a *api) pluginList(w http.ResponseWriter, r *http.Request) error {
	connectorsOnly := flag(r.URL.Query(), "connectorsOnly", true)
	list := make([]plugin, 0, len(a.plugins))
	for _, p := range a.plugins {
		if !connectorsOnly || p.connects() {
			list = append(list, p)
		}
	}
	answer(w, http.StatusOK, list)
	return nil
}
