package transform

import (
	"strings"
	"testing"

	"connectd/config"
	"connectd/record"
)

func TestRegexRouter(t *testing.T) {
	for _, c := range []struct{ regex, replacement, topic, want string }{
		{"(.*)", "cdc.$1", "production.public.orders", "cdc.production.public.orders"},
		{`([^.]+)\.([^.]+)\.([^.]+)`, "$3", "production.public.orders", "orders"},
		{`prod`, "x", "production", "production"},
		{`(?<db>\w+)\.(?<table>\w+)`, "${table}-${db}", "shop.orders", "orders-shop"},
		{`(a)(b)?(c)`, "$1$2$3", "ac", "ac"},
		{`(.)(.*)`, "$12", "ab", "a2"},
		{`(.)(.*)`, `\$1\\`, "ab", `$1\`},
		{`a|ab`, "x", "ab", "xb"}, // the whole topic matches, the first match is shorter
		{`(?i)PROD\..*`, "p", "prod.x", "p"},
		{`\Qa.b\E(.*)`, "$1", "a.bc", "c"},
		{`x[^\d\]]+`, "y", "x-z", "y"},
	} {
		router, err := NewRegexRouter(&RegexRouterConfig{Regex: c.regex, Replacement: c.replacement})
		if err != nil {
			t.Errorf("%s: %v", c.regex, err)
			continue
		}
		for range 2 {
			r := record.Record{Topic: c.topic}
			if keep, err := router.Apply(nil, &r); !keep || err != nil || r.Topic != c.want {
				t.Errorf("%s, %s: %s became %s, %v; want %s", c.regex, c.replacement, c.topic, r.Topic, err, c.want)
			}
		}
	}
}

func TestRegexRouterConfig(t *testing.T) {
	for _, c := range []struct{ regex, replacement, want string }{
		{`(?=a).*`, "x", `look-ahead ((?=) at character 1`},
		{`a(?!b).*`, "x", `look-ahead ((?!) at character 2`},
		{`.*(?<=b)`, "x", `look-behind ((?<=) at character 3`},
		{`.*(?<!b)`, "x", `look-behind ((?<!) at character 3`},
		{`(a)\1`, "x", `back-reference (\1) at character 4`},
		{`(?<a>a)\k<a>`, "x", `back-reference (\k) at character 8`},
		{`(?>a)`, "x", `atomic group ((?>) at character 1`},
		{`a*+`, "x", `possessive quantifier (*+) at character 2`},
		{`[a-z&&[^b]]`, "x", `intersection of classes (&&) at character 5`},
		{`[a[b]]`, "x", `a class inside of a class ([) at character 3`},
		{`a\Z`, "x", `at character 2`},
		{`\Qa`, "x", `\Q at character 1 has no \E`},
		{`a(b`, "x", `is not a regular expression: missing closing )`},
		{`(a)`, "$2", `no group 2, it has 1`},
		{`(a)`, "${b}", `no group called "b"`},
		{`(a)`, "a$", `$ without a group`},
		{`(a)`, `a\`, `ends with a \`},
	} {
		s := section("regex="+c.regex, "replacement="+c.replacement)
		err := config.Decode(s, new(RegexRouterConfig)).Err()
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.yaml:") {
			t.Errorf("%s, %s:\n got %v\nwant %s", c.regex, c.replacement, err, c.want)
		}
		if _, err := NewRegexRouter(&RegexRouterConfig{Regex: c.regex, Replacement: c.replacement}); err == nil {
			t.Errorf("%s, %s builds a router", c.regex, c.replacement)
		}
	}
	if router, err := NewRegexRouter(&RegexRouterConfig{Regex: ".*"}); err != nil {
		t.Error(err)
	} else if _, err := router.Apply(nil, &record.Record{Topic: "shop"}); err == nil || !strings.Contains(err.Error(), `"shop"`) {
		t.Errorf("a topic without a name: got %v, want an error that names the old one", err)
	}
	if err := config.Decode(section(`regex=\\Q(a)\(b\)[(?=)]`, "replacement=x"), new(RegexRouterConfig)).Err(); err != nil {
		t.Errorf("escaped characters are taken for something else: %v", err)
	}
}
