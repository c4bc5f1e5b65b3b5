package clickhouse

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"connectd/record"
)

// bigOf is n as a big.Int.
func bigOf(n wide) *big.Int {
	out := new(big.Int)
	for i := len(n.limbs) - 1; i >= 0; i-- {
		out.Lsh(out, 64).Or(out, new(big.Int).SetUint64(n.limbs[i]))
	}
	if n.negative {
		out.Neg(out)
	}
	return out
}

// FuzzParseWide compares with math/big.
func FuzzParseWide(f *testing.F) {
	for _, s := range []string{"0", "-0", "1", "-12.50", "1.5e3", "1e-3", ".5", "5.", "123456789012345678901234567890.5", "1e80", "-1e77", "0.999", "99999999999999999999", "1e999999999999"} {
		f.Add(s, 2)
	}
	f.Fuzz(func(t *testing.T, s string, scale int) {
		if scale < 0 || scale > 76 || len(s) > 120 || strings.ContainsAny(s, "_xXpPoObBnNiI/") {
			return
		}
		n, err := parseWide([]byte(s), scale)
		want, ok := new(big.Rat).SetString(s)
		if ok && len(s) > 0 && (strings.Contains(s, "e") || strings.Contains(s, "E")) && want.Num().BitLen() > 1000 {
			return
		}
		if !ok {
			if err == nil {
				t.Fatalf("%q: got %v, want an error", s, bigOf(n))
			}
			return
		}
		want.Mul(want, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
		switch {
		case err == errTooLarge:
			if want.Num().BitLen()-want.Denom().BitLen() < 250 {
				t.Fatalf("%q: got %v for %v", s, err, want)
			}
		case !want.IsInt():
			if err != errScale {
				t.Fatalf("%q at scale %d: got %v %v, want %v", s, scale, bigOf(n), err, errScale)
			}
		case err != nil || bigOf(n).Cmp(want.Num()) != 0:
			t.Fatalf("%q at scale %d: got %v %v, want %v", s, scale, bigOf(n), err, want.Num())
		}
	})
}

// FuzzScanner cuts JSON arrays and objects into members and compares with encoding/json.
func FuzzScanner(f *testing.F) {
	for _, s := range []string{`[]`, `[1, "a\"]", {"b":[2]}, null, true, 1.5e3]`, `{"a":1,"b\n":"}"}`, `[[`, ``, `{"a":{"a":"\\"}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var members []json.RawMessage
		var object map[string]json.RawMessage
		var p jsonScanner
		if json.Unmarshal([]byte(s), &members) == nil && strings.HasPrefix(strings.TrimLeft(s, " \t\r\n"), "[") {
			if err := p.open([]byte(s), '['); err != nil {
				t.Fatal(err)
			}
			for i, want := range members {
				got, ok, err := p.element(i == 0, ']')
				if err != nil || !ok {
					t.Fatalf("element %d of %s: %v %v", i, s, ok, err)
				}
				same(t, got, want)
			}
			if _, ok, err := p.element(len(members) == 0, ']'); ok || err != nil {
				t.Fatalf("end of %s: %v %v", s, ok, err)
			}
			return
		}
		if json.Unmarshal([]byte(s), &object) == nil && strings.HasPrefix(strings.TrimLeft(s, " \t\r\n"), "{") {
			if err := p.open([]byte(s), '{'); err != nil {
				t.Fatal(err)
			}
			got := make(map[string]bool)
			for first := true; ; first = false {
				name, ok, err := p.name(first)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				got[string(name)] = true
				if _, err := p.value(); err != nil {
					t.Fatal(err)
				}
			}
			if len(got) != len(object) {
				t.Fatalf("names of %s: got %v", s, got)
			}
			return
		}
		_ = p.open([]byte(s), '[') // must not panic
	})
}

// same compares a value with the JSON that it was cut from.
func same(t *testing.T, got record.Value, want json.RawMessage) {
	t.Helper()
	switch got.Kind {
	case record.String:
		var s string
		if err := json.Unmarshal(want, &s); err != nil || s != string(got.B) {
			t.Fatalf("got %q, want %s", got.B, want)
		}
	case record.JSON, record.Number:
		if string(got.B) != string(want) {
			t.Fatalf("got %s, want %s", got.B, want)
		}
	case record.Int:
		var n int64
		if err := json.Unmarshal(want, &n); err != nil || n != got.N {
			t.Fatalf("got %d, want %s", got.N, want)
		}
	case record.Bool:
		if (string(want) == "true") != got.Bool() {
			t.Fatalf("got %v, want %s", got.Bool(), want)
		}
	case record.Null:
		if string(want) != "null" {
			t.Fatalf("got null, want %s", want)
		}
	}
}

func TestParseType(t *testing.T) {
	names, err := chType{text: "Enum8", args: []string{`'a' = -1`, `'it\'s, (x)' = 2`}}.enumNames()
	if err != nil || names["a"] != -1 || names["it's, (x)"] != 2 {
		t.Errorf("enum: got %v %v", names, err)
	}
	got, err := parseType("Map(LowCardinality(String), Tuple(a Decimal(10, 2), `b,c` Enum8('(' = 1)))")
	if err != nil || len(got.args) != 2 || got.args[1] != "Tuple(a Decimal(10, 2), `b,c` Enum8('(' = 1))" {
		t.Errorf("map: got %q %v", got.args, err)
	}
	if _, _, err := newColumn("Variant(Int8, String)", refuse); err == nil || !strings.Contains(err.Error(), "can not write columns of type Variant(Int8, String)") {
		t.Errorf("variant: got %v", err)
	}
}
