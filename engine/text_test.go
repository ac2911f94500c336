package engine_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/engine"
)

func TestStringsAreEscapedAsJSONNeedsAndNoMore(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"plain <b>&amp;", `"plain <b>&amp;"`}, {"q\"\\/", `"q\"\\/"`}, {"\n\r\t\x00\x1f", `"\n\r\t\u0000\u001f"`},
		{"caf\u00e9 \U0001F600\u2028", "\"caf\u00e9 \U0001F600\u2028\""}, {"a\xffb\xc3", "\"a\uFFFDb\uFFFD\""}, {"\xed\xa0\x80", "\"\uFFFD\uFFFD\uFFFD\""}, {"", `""`},
	}
	for _, tt := range tests {
		if got := string(engine.AppendString(nil, tt.in)); got != tt.want {
			t.Errorf("AppendString(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func FuzzStringsDecodeToWhatTheyWere(f *testing.F) {
	f.Add("a\xff\"\n\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(engine.AppendString(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(s, ""); strings.ReplaceAll(got, "\uFFFD", "") != strings.ReplaceAll(want, "\uFFFD", "") {
			t.Errorf("%q became %q", s, got)
		}
	})
}
