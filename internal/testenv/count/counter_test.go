package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestCounter(t *testing.T) {
	tests := []struct {
		name    string
		require bool
		in      string
		want    string
		ok      bool
	}{
		{
			name: "passes",
			in: `{"Action":"start","Package":"a"}
{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"output","Package":"a","Test":"TestX","Output":"=== RUN   TestX\n"}
{"Action":"output","Package":"a","Test":"TestX","Output":"chatter\n"}
{"Action":"pass","Package":"a","Test":"TestX","Elapsed":0}
{"Action":"output","Package":"a","Output":"PASS\n"}
{"Action":"pass","Package":"a","Elapsed":1.25}
{"Action":"skip","Package":"no/tests"}
`,
			want: "ok    a  1.2 s\n1 passed, 0 failed, 0 skipped\n",
			ok:   true,
		},
		{
			name: "failure shows its output",
			in: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"output","Package":"a","Test":"TestX","Output":"=== RUN   TestX\n"}
{"Action":"output","Package":"a","Test":"TestX","Output":"    x_test.go:3: got 1, want 2\n"}
{"Action":"fail","Package":"a","Test":"TestX","Elapsed":0}
{"Action":"output","Package":"a","Output":"FAIL\ta\t0.1s\n"}
{"Action":"fail","Package":"a","Elapsed":0.1}
`,
			want: "    x_test.go:3: got 1, want 2\nFAIL\ta\t0.1s\n0 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "a test that never ended",
			in: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"output","Package":"a","Test":"TestX","Output":"panic: boom\n"}
{"Action":"fail","Package":"a","Elapsed":0.1}
`,
			want: "panic: boom\n0 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "does not compile",
			in: `{"ImportPath":"a","Action":"build-output","Output":"a.go:1: undefined: x\n"}
{"ImportPath":"a","Action":"build-fail"}
{"Action":"output","Package":"a","Output":"FAIL\ta [build failed]\n"}
{"Action":"fail","Package":"a","Elapsed":0,"FailedBuild":"a"}
`,
			want: "a.go:1: undefined: x\nFAIL\ta [build failed]\n0 passed, 1 failed, 0 skipped\n",
		},
		{
			name: "a skip on a laptop",
			in: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"skip","Package":"a","Test":"TestX","Elapsed":0}
{"Action":"pass","Package":"a","Elapsed":0}
`,
			want: "ok    a  0.0 s\n0 passed, 0 failed, 1 skipped\n",
			ok:   true,
		},
		{
			name:    "a skip where everything has to run",
			require: true,
			in: `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"skip","Package":"a","Test":"TestX","Elapsed":0}
{"Action":"pass","Package":"a","Elapsed":0}
`,
			want: "ok    a  0.0 s\nskipped, but everything has to run: a TestX\n0 passed, 0 failed, 1 skipped\n",
		},
		{
			name: "not JSON",
			in:   "go: no such tool\n",
			want: "go: no such tool\n0 passed, 0 failed, 0 skipped\n",
			ok:   true, // the command's exit code says that it is not
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			c := newCounter(&out, tt.require)
			for line := range strings.Lines(tt.in) {
				c.line([]byte(line))
			}
			ok := c.done()
			if out.String() != tt.want || ok != tt.ok {
				t.Errorf("got %v\n%s\nwant %v\n%s", ok, out.String(), tt.ok, tt.want)
			}
		})
	}
}
