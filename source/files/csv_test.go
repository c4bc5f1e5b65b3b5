package files

import (
	"encoding/csv"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"connectd/record"
)

// readCSV reads text as one file that is complete.
func readCSV(t *testing.T, text string, pairs ...string) []got {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.csv")
	write(t, path, text)
	r := start(t, settings(t, fast(filepath.Dir(path), pairs...)...), nil)
	r.until("the file is done", func() bool { return strings.Contains(r.state(), `"done":true`) })
	r.stop()
	return r.all
}

func TestCSV(t *testing.T) {
	for name, test := range map[string]struct {
		text     string
		settings []string
		want     []string // values; "!…" is part of an error
	}{
		"plain":              {"id,name\n1,one\n2,two\n", nil, []string{`{"id":"1","name":"one"}`, `{"id":"2","name":"two"}`}},
		"no line end":        {"id\n1", nil, []string{`{"id":"1"}`}},
		"CR LF":              {"id,name\r\n1,one\r\n2,\"tw\r\no\"\r\n", nil, []string{`{"id":"1","name":"one"}`, `{"id":"2","name":"tw\r\no"}`}},
		"quotes":             {"id,name\n1,\"a, \"\"b\"\"\"\n\"2\",\"\"\n", nil, []string{`{"id":"1","name":"a, \"b\""}`, `{"id":"2","name":""}`}},
		"embedded newlines":  {"id,name\n1,\"a\n\nb\"\n2,c\n", nil, []string{`{"id":"1","name":"a\n\nb"}`, `{"id":"2","name":"c"}`}},
		"byte order mark":    {"\xef\xbb\xbfid,name\n1,one\n", nil, []string{`{"id":"1","name":"one"}`}},
		"mark and quotes":    {"\xef\xbb\xbf\"id\"\n1\n", nil, []string{`{"id":"1"}`}},
		"missing":            {"a,b,c\n1\n1,2,3\n", nil, []string{`{"a":"1","b":null,"c":null}`, `{"a":"1","b":"2","c":"3"}`}},
		"missing fails":      {"a,b\n1\n1,2\n", []string{"csv.missing.columns", "fail"}, []string{"!line 2: the row has 1 values, want 2", `{"a":"1","b":"2"}`}},
		"extra fails":        {"a,b\n1,2,3\n1,2\n", nil, []string{"!line 2: the row has 3 values, want 2", `{"a":"1","b":"2"}`}},
		"extra ignored":      {"a,b\n1,2,3\n", []string{"csv.extra.columns", "ignore"}, []string{`{"a":"1","b":"2"}`}},
		"empty lines":        {"a\n\n1\n\n\n2\n", nil, []string{`{"a":"1"}`, `{"a":"2"}`}},
		"null marker":        {"a,b\n\\N,\"\\N\"\n", []string{"csv.null.marker", `\N`}, []string{`{"a":null,"b":"\\N"}`}},
		"null by separators": {"a,b\n,\"\"\n", []string{"csv.null.field.indicator", "EMPTY_SEPARATORS"}, []string{`{"a":null,"b":""}`}},
		"null by quotes":     {"a,b\n,\"\"\n", []string{"csv.null.field.indicator", "EMPTY_QUOTES"}, []string{`{"a":"","b":null}`}},
		"null by both":       {"a,b\n,\"\"\n", []string{"csv.null.field.indicator", "BOTH"}, []string{`{"a":null,"b":null}`}},
		"separator":          {"a;b\n1;2,3\n", []string{"csv.separator.char", "59"}, []string{`{"a":"1","b":"2,3"}`}},
		"TSV":                {"a\tb\n1\t2,3\n", []string{"format", "tsv"}, []string{`{"a":"1","b":"2,3"}`}},
		"other quote":        {"a,b\n'1,2',\"\n", []string{"csv.quote.char", "'"}, []string{`{"a":"1,2","b":"\""}`}},
		"no quote":           {"a,b\n\"1,\"2\n", []string{"csv.quote.char", "0"}, []string{`{"a":"\"1","b":"\"2"}`}},
		"escape":             {"a\n\"x\\\"y\\\\\"\n", []string{"csv.escape.char", `\`}, []string{`{"a":"x\"y\\"}`}},
		"skipped lines":      {"made by\nan export\na\n1\n", []string{"csv.skip.lines", "2"}, []string{`{"a":"1"}`}},
		"no header":          {"1,2\n", []string{"csv.first.row.as.header", "false"}, []string{`{"column01":"1","column02":"2"}`}},
		"named columns":      {"1,2\n", []string{"csv.first.row.as.header", "false", "csv.columns", "x,y"}, []string{`{"x":"1","y":"2"}`}},
		"renamed columns":    {"a,b\n1,2\n", []string{"csv.columns", "x,y"}, []string{`{"x":"1","y":"2"}`}},
		"same and no names":  {"a,a,\n1,2,3\n", nil, []string{`{"a":"1","a_2":"2","column03":"3"}`}},
		"behind a quote":     {"a,b\n\"1\"x,2\n3,4\n", nil, []string{"!line 2: text behind a closing quote", `{"a":"3","b":"4"}`}},
		"quote inside":       {"a,b\n1\"2,3\n", nil, []string{`{"a":"1\"2","b":"3"}`}},
		"open quote":         {"a,b\n1,\"2\n3,4\n5,6\n", nil, []string{"!line 2: a quote is not closed", `{"a":"3","b":"4"}`, `{"a":"5","b":"6"}`}},
		"open quote, long":   {"a,b\n1,\"2\n3," + strings.Repeat("x", 80) + "\n5,6\n", []string{"max.line.bytes", "64"}, []string{"!line 2: the record is longer", "!line 3: the record is longer", `{"a":"5","b":"6"}`}},
		"not UTF-8":          {"a,b\n1,\xff\n3,4\n", nil, []string{"!line 2: is not UTF-8", `{"a":"3","b":"4"}`}},
		"not UTF-8 replaced": {"a,b\n1,x\xff\n\xff\xff\xff,4\n", []string{"invalid.characters", "replace"}, []string{`{"a":"1","b":"x` + "\uFFFD" + `"}`, `{"a":"` + "\uFFFD" + `","b":"4"}`}},
		"types": {"i,f,b,d,day,at,s\n1,1.5,true,12.5,2026-11-21,2026-11-21T01:02:03Z,x\n,,,,,,\n", []string{"csv.types", "i=int64,f=double,b=boolean,d=decimal(2),day=date,at=timestamp"},
			[]string{`{"i":1,"f":1.5,"b":true,"d":12.50,"day":20778,"at":1795222923000000,"s":"x"}`, `{"i":null,"f":null,"b":null,"d":null,"day":null,"at":null,"s":""}`}},
		"sampled": {"a,b,c,d,e,f\n1,1.5,true,007,,x\n-2,2,false,1,,1\n3,x,true,1,1,1\n", []string{"csv.sample.rows", "2"},
			[]string{`{"a":1,"b":1.5,"c":true,"d":"007","e":"","f":"x"}`, `{"a":-2,"b":2.0,"c":false,"d":"1","e":"","f":"1"}`, `!line 4: column "b"`}},
		"wrong type": {"i\nx\n2\n", []string{"csv.types", "i=int64"}, []string{`!line 2: column "i"`, `{"i":2}`}},
		"too fine":   {"d\n1.234\n", []string{"csv.types", "d=decimal(2)"}, []string{"!more than 2 digits"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := readCSV(t, test.text, test.settings...)
			if len(all) != len(test.want) {
				t.Fatalf("%d records %+v, want %q", len(all), all, test.want)
			}
			for i, want := range test.want {
				if wrong, ok := strings.CutPrefix(want, "!"); ok {
					if all[i].err == nil || !strings.Contains(all[i].err.Error(), wrong) {
						t.Errorf("record %d: error %v, want %q", i, all[i].err, wrong)
					}
				} else if all[i].err != nil || all[i].value != want {
					t.Errorf("record %d: %s, %v, want %s", i, all[i].value, all[i].err, want)
				}
			}
		})
	}
}

// What is refused goes into the dead letter byte for byte.
func TestCSVRefusedBytes(t *testing.T) {
	all := readCSV(t, "a,b\n1,\"\xff\",3\n")
	if len(all) != 1 || all[0].err == nil || all[0].value != "1,\"\xff\",3" {
		t.Errorf("got %+v", all)
	}
}

func TestCSVKeyAndTime(t *testing.T) {
	text := "id,name,at\n1,one,2026-11-21T01:02:03.456Z\n2,two,x\n"
	all := readCSV(t, text, "key.fields", "id", "timestamp.mode", "FIELD", "timestamp.field", "at", "csv.types", "id=int64")
	if len(all) != 2 || all[0].key != "1" || all[0].time != 1795222923456 {
		t.Errorf("got %+v", all)
	}
	if all[1].err == nil || !strings.Contains(all[1].err.Error(), `timestamp.field "at"`) {
		t.Errorf("got %+v", all[1])
	}
	all = readCSV(t, text, "key.fields", "id,name")
	if len(all) != 2 || all[1].key != `{"id":"2","name":"two"}` {
		t.Errorf("got %+v", all)
	}
}

// Each file has its own header; a file that is gone on with keeps the one that it began with.
func TestCSVHeaders(t *testing.T) {
	dir := t.TempDir()
	c := settings(t, tailing(dir, "parallel.files", "1")...)
	a, b := filepath.Join(dir, "a.csv"), filepath.Join(dir, "b.csv")
	write(t, a, "id,name\n1,one\n")
	write(t, b, "name,id,more\ntwo,2,x\n")
	r := start(t, c, nil)
	r.want(`{"id":"1","name":"one"}`, `{"name":"two","id":"2","more":"x"}`)
	r.stop()
	extend(t, a, "3,three\n")
	extend(t, b, "four,4,y\n")
	again := start(t, c, r.offsets)
	again.want(`{"id":"3","name":"three"}`, `{"name":"four","id":"4","more":"y"}`)
}

// Types that were sampled stay those of the file after a restart.
func TestCSVSampleRestart(t *testing.T) {
	dir := t.TempDir()
	c := settings(t, tailing(dir, "csv.sample.rows", "10")...)
	path := filepath.Join(dir, "a.csv")
	write(t, path, "id,x\n")
	r := start(t, c, nil)
	r.rest()
	extend(t, path, "1,one\n")
	r.want(`{"id":1,"x":"one"}`)
	r.stop()
	extend(t, path, "2,3\n")
	start(t, c, r.offsets).want(`{"id":2,"x":"3"}`)
}

// FuzzCSV compares with encoding/csv where that takes the text, and never loses a byte: rows and
// line ends make up the whole file, however the text comes.
func FuzzCSV(f *testing.F) {
	for _, text := range []string{"a,b\n1,2\n", "\"a\"\"b\",\"c\nd\"\r\n", "a\r\nb", "\"", "\"a\"b,c\n", ",,\n\n,", "\"\r\n\"\r\n", "\"\"\"\"\n", "\r\n\r"} {
		f.Add(text, uint8(1))
		f.Add(text, uint8(3))
	}
	c := settings(f, "topic", "rows", "input.path", "/x", "csv.first.row.as.header", "false", "csv.columns", "a", "csv.extra.columns", "ignore", "invalid.characters", "keep", "max.line.bytes", "64KiB")
	f.Fuzz(func(t *testing.T, text string, step uint8) {
		var rows [][]string
		refused := false
		in := newInput(&slow{text: text, step: int(step%16) + 1}, int(c.MaxLine), int(c.Fingerprint))
		rd, err := newCSV(c, in, newOutput(c, "fuzz", noTime), nil, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		for {
			var b record.Batch
			at := in.position
			err := rd.next(&b, true)
			if errors.Is(err, errMore) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if in.position <= at {
				t.Fatalf("the position stays at %d", at)
			}
			refused = refused || len(b.Failed()) > 0
			if len(b.Records) > 0 {
				rows = append(rows, rd.texts(text, at))
			}
		}
		if in.position != int64(len(text)) {
			t.Fatalf("read %d of %d bytes", in.position, len(text))
		}
		if in.line != int64(strings.Count(text, "\n")) {
			t.Fatalf("counted %d line ends of %d", in.line, strings.Count(text, "\n"))
		}
		if refused || strings.ContainsAny(text, "\r") {
			return // encoding/csv changes \r\n inside of quotes
		}
		want := standardRows(text)
		if want != nil && !slices.EqualFunc(rows, want, slices.Equal) {
			t.Errorf("rows %q, want %q", rows, want)
		}
	})
}

// texts are the cells of the row that was read last, which begins at a position.
func (f *csvRows) texts(text string, at int64) (all []string) {
	row := []byte(text[at:])
	for i := range f.cells {
		c := f.cells[i]
		all = append(all, string(f.unquote(row, &c)))
	}
	return all
}

// standardRows is what encoding/csv reads; nil when it takes the text for wrong.
func standardRows(text string) [][]string {
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		return nil
	}
	return rows
}

// slow gives a text in small steps.
type slow struct {
	text string
	step int
}

func (s *slow) Read(p []byte) (int, error) {
	if s.text == "" {
		return 0, io.EOF
	}
	n := copy(p, s.text[:min(s.step, len(s.text))])
	s.text = s.text[n:]
	return n, nil
}
