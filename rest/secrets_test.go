package rest

import "testing"

func TestCovered(t *testing.T) {
	for _, c := range []struct{ key, raw, want string }{
		{"database.hostname", "db", "db"},
		{"database.password", "dbz", "****"},
		{"database.password", "", ""},
		{"database.password", "${file:/run/secrets/pg:password}", "${file:/run/secrets/pg:password}"},
		{"database.password", "${env:A}x", "****"},
		{"aws.secret.access.key", "abc", "****"},
		{"database.password", "${env:PW:-dbz}", "${env:PW:-****}"},
		{"database.password", "${env:PW:-}", "${env:PW:-}"},
		{"aws.access.key.id", "abc", "abc"},
		{"producer.override.sasl.jaas.config", `PlainLoginModule required username="u" password="p";`, "****"},
		{"value.converter.basic.auth.user.info", "u:pw", "****"},
		{"value.converter.request.header.Authorization", "Basic dTpwdw==", "****"},
		{"value.converter.schema.registry.url", "https://u:pw@h:8081", "https://u:****@h:8081"},
		{"connection.url", "postgres://u:pw@h:5432/db", "postgres://u:****@h:5432/db"},
		{"connection.url", "postgres://u@h:5432/db", "postgres://u@h:5432/db"},
		{"connection.url", "postgres://h:5432/db", "postgres://h:5432/db"},
		{"connection.url", "postgres://u:${env:PW}@h:5432/db", "postgres://u:${env:PW}@h:5432/db"},
		{"connection.url", "jdbc:postgresql://h:5432/db?user=u&password=pw&ssl=true", "jdbc:postgresql://h:5432/db?user=u&password=****&ssl=true"},
		{"connection.url", "${env:URL:-postgres://u:pw@h/db}", "${env:URL:-postgres://u:****@h/db}"},
	} {
		if got := covered(c.key, c.raw); got != c.want {
			t.Errorf("%s: %q is shown as %q, want %q", c.key, c.raw, got, c.want)
		}
	}
}
