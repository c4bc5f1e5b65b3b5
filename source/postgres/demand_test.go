package postgres

import (
	"slices"
	"strings"
	"testing"
)

// TestJavaKey has what java.io.ObjectOutputStream writes for Object[].
func TestJavaKey(t *testing.T) {
	for _, c := range []struct{ digits, want string }{
		{"aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000001737200116a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b020000787000000001", "1"},
		{"aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c0200007870000000017372000e6a6176612e6c616e672e4c6f6e673b8be490cc8f23df0200014a000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b0200007870000000000000002a", "42"},
		{"aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c0200007870000000017372000f6a6176612e6c616e672e53686f7274684d37133460da5202000153000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b02000078700007", "7"},
		{"aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000001740003616263", "abc"},
		{"aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000002737200116a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b0200007870000000017371007e000200000002", "1|2"},
		{"aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c0200007870000000047372000e6a6176612e6c616e672e4c6f6e673b8be490cc8f23df0200014a000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b02000078700000000000000005740001787371007e0002000000000000000671007e0005", "5|x|6|x"},
		{"aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000003737200116a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b020000787000000001740002c3a97372000e6a6176612e6c616e672e4c6f6e673b8be490cc8f23df0200014a000576616c75657871007e00030000000000000003", "1|é|3"},
		{"aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000001737200146a6176612e6d6174682e426967446563696d616c54c71557f981284f0300024900057363616c654c0006696e7456616c7400164c6a6176612f6d6174682f426967496e74656765723b787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b020000787000000001737200146a6176612e6d6174682e426967496e74656765728cfc9f1fa93bfb1d030006490008626974436f756e744900096269744c656e67746849001366697273744e6f6e7a65726f427974654e756d49000c6c6f776573745365744269744900067369676e756d5b00096d61676e69747564657400025b427871007e0004fffffffffffffffffffffffefffffffe00000001757200025b42acf317f8060854e00200007870000000010f7878", ""},
		{"aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c0200007870000000017372000e6a6176612e7574696c2e55554944bc9903f7986d852f0200024a000c6c65617374536967426974734a000b6d6f737453696742697473787000000000000000010000000000000000", ""},
		{"aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c02000078700000000170", ""},
		{"", ""}, {"aced", ""}, {"zz", ""}, {"aced000575720013", ""}, {"aced000571007e0000", ""},
	} {
		key, ok := parseJavaKey(c.digits)
		if got := strings.Join(key, "|"); ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s: got %q %v, want %q", c.digits, got, ok, c.want)
		}
	}
}

func FuzzJavaKey(f *testing.F) {
	f.Add("aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000001740003616263")
	f.Fuzz(func(_ *testing.T, digits string) { parseJavaKey(digits) }) // must not panic
}

// TestDemandOfDebezium goes on with an incremental snapshot that Debezium has begun.
func TestDemandOfDebezium(t *testing.T) {
	d, err := parseDemand([]byte(`{"lsn":1,"incremental_snapshot_correlation_id":"x","incremental_snapshot_primary_key":"KEY","incremental_snapshot_maximum_key":"KEY",` +
		`"incremental_snapshot_collections":"[{\"incremental_snapshot_collections_id\":\"public.a\",\"incremental_snapshot_collections_additional_condition\":\"id > 1\"},{\"incremental_snapshot_collections_id\":\"public.b\"}]"}`))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Tables) != 2 || d.Tables[0].String() != "public.a" || d.Tables[0].Filter != "id > 1" || d.Tables[0].ID != "x" || d.Tables[0].Began {
		t.Errorf("got %+v", d)
	}
	const one = "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000001740003616263"
	d.Tables[0].resume(one, one)
	if a := d.Tables[0]; !a.Began || !slices.Equal(a.After, []string{"abc"}) || !slices.Equal(a.Max, a.After) {
		t.Errorf("got %+v", a)
	}
	again, err := parseDemand(append(d.append([]byte(`{"lsn":1`)), '}'))
	if err != nil || len(again.Tables) != 2 || !slices.Equal(again.Tables[0].Max, []string{"abc"}) {
		t.Errorf("got %+v, %v", again, err)
	}
	stored := string(d.append(nil))
	if !strings.Contains(stored, `,"incremental_snapshot_collections":"[{\"incremental_snapshot_collections_id\":\"public.a\"`) {
		t.Errorf("Debezium can not read %s", stored)
	}
}

func TestVisibility(t *testing.T) {
	for _, c := range []struct {
		snapshot string
		standby  bool
		xid      uint32
		want     bool
	}{
		{"10:20:12,15", false, 9, true}, {"10:20:12,15", false, 12, false}, {"10:20:12,15", false, 13, true}, {"10:20:12,15", false, 20, false}, {"10:20:", false, 19, true},
		{"10:20:", true, 9, true}, {"10:20:", true, 15, false},
		// The 32 bits of the stream have gone round between xmin and xmax.
		{"4294967290:4294967306:4294967295,4294967300", false, 4294967295, false}, {"4294967290:4294967306:4294967295,4294967300", false, 4, false},
		{"4294967290:4294967306:4294967295,4294967300", false, 5, true}, {"4294967290:4294967306:4294967295,4294967300", false, 11, false}, {"4294967290:4294967306:", false, 4294967000, true},
	} {
		v, err := parseVisibility(c.snapshot, c.standby)
		if err != nil {
			t.Fatal(err)
		}
		if got := v.shows(c.xid); got != c.want {
			t.Errorf("%s shows %d: got %v", c.snapshot, c.xid, got)
		}
	}
	for _, bad := range []string{"", "1:2", "1:x:"} {
		if _, err := parseVisibility(bad, false); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// TestTextRows cuts rows and keeps NULL apart from the empty text.
func TestTextRows(t *testing.T) {
	r := textRows{width: 2}
	r.add([][]byte{[]byte("a"), nil})
	r.add([][]byte{{}, []byte("bc")})
	r.add([][]byte{nil, nil})
	if r.count() != 3 || string(r.value(0, 0)) != "a" || r.value(0, 1) != nil || r.value(1, 0) == nil || string(r.value(1, 1)) != "bc" || r.value(2, 0) != nil {
		t.Errorf("got %q %v", r.data, r.ends)
	}
	r.cut(1)
	r.add([][]byte{[]byte("d"), []byte("e")})
	if r.count() != 2 || string(r.value(1, 0)) != "d" || string(r.value(1, 1)) != "e" {
		t.Errorf("after cut: %q %v", r.data, r.ends)
	}
}
