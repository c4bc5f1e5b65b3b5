package api

import (
	"testing"

	"connectd/connect"
	"connectd/connect/conform"
)

func TestConform(t *testing.T) {
	for name, changes := range map[string][]string{
		"cursor, any order": nil,
		"cursor, ascending": {"http.response.list.order.direction", "ASC"},
		"fields":            {"http.response.record.value", "fields"},
	} {
		t.Run(name, func(t *testing.T) {
			l := &list{}
			u := serve(t, l.ServeHTTP)
			filled := 0
			conform.Source(t, conform.Sources{
				New: func(t *testing.T) connect.Source { return newSource(t, decode(t, incremental(u.url, changes...))) },
				Fill: func(t *testing.T, n int) {
					l.add(numbered(filled, n)...)
					filled += n
				},
			})
		})
	}
}
