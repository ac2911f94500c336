package scalar_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/learngraph/learngraph/graph/scalar"
)

func TestAGlobalIDLeadsBackToItsTypeAndKey(t *testing.T) {
	t.Parallel()
	for _, typ := range []scalar.NodeType{scalar.ClientNode, scalar.EmbedClientNode, scalar.UserNode, scalar.IdentityNode, scalar.CredentialNode} {
		for _, key := range []string{"a", "a:b", "User:x", " ", "staff/Åre office/1?v=1#100%", "\x00", strings.Repeat("k", 600)} {
			gotType, gotKey, err := scalar.DecodeID(scalar.EncodeID(typ, key))
			if err != nil || gotType != typ || gotKey != key {
				t.Errorf("%s %q: got %s %q %v", typ, key, gotType, gotKey, err)
			}
		}
	}
}

func TestATextThatIsNoGlobalIDIsRefused(t *testing.T) {
	t.Parallel()
	good := scalar.EncodeID(scalar.UserNode, "someone")
	for name, id := range map[string]string{
		"empty": "", "a word": "user", "padding": good + "=", "a space": good + " ", "cut short": good[:4],
		"an empty key": scalar.EncodeID(scalar.UserNode, ""), "another type": scalar.EncodeID("Course", "x"),
		"no separator": scalar.EncodeID("User", "")[:5], "another version": "Mlg6eA",
	} {
		if typ, key, err := scalar.DecodeID(id); !errors.Is(err, scalar.ErrNodeID) {
			t.Errorf("%s: got %s %q %v", name, typ, key, err)
		}
	}
}

func TestACredentialsKeyLeadsBackToBothIDs(t *testing.T) {
	t.Parallel()
	for _, ids := range [][2]string{{"3fa85f64-5717-4562-b3fc-2c963f66afa6", "c-1"}, {"i", ":"}, {"1:2", "3:4"}, {"a/b", "ä"}} {
		identity, credential, err := scalar.SplitCredentialKey(scalar.CredentialKey(ids[0], ids[1]))
		if err != nil || identity != ids[0] || credential != ids[1] {
			t.Errorf("%v: got %q %q %v", ids, identity, credential, err)
		}
	}
	if got, want := scalar.CredentialKey("3FA85F64", "C"), scalar.CredentialKey("3fa85f64", "C"); got != want {
		t.Errorf("got %q, want %q: the case of a UUID makes no difference", got, want)
	}
	for _, key := range []string{"", ":", "1", "1:", "1:a", "0:ab", "-1:ab", "01:ab", "9:ab", "1:Ab", "x:ab"} {
		if identity, credential, err := scalar.SplitCredentialKey(key); err == nil {
			t.Errorf("%q: got %q %q", key, identity, credential)
		}
	}
}

func FuzzDecodeID(f *testing.F) {
	f.Add(scalar.EncodeID(scalar.ClientNode, "101ed762"))
	f.Add("")
	f.Add("MVVzZXI6")
	f.Fuzz(func(t *testing.T, id string) {
		typ, key, err := scalar.DecodeID(id)
		if err == nil && (scalar.EncodeID(typ, key) != id || key == "") {
			t.Errorf("%q is %s %q, which has another id", id, typ, key)
		}
	})
}

func TestACursorIsBoundToItsListAndArguments(t *testing.T) {
	t.Parallel()
	c := scalar.Cursor{List: "Query.clients", Bound: []string{"search", "name"}, Offset: 42, Token: "next\x00page"}
	got, err := scalar.DecodeCursor(c.Encode(), "Query.clients", "search", "name")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, got); diff != "" {
		t.Errorf("cursor (-want +got):\n%s", diff)
	}
	for name, decode := range map[string]func() (scalar.Cursor, error){
		"another list":           func() (scalar.Cursor, error) { return scalar.DecodeCursor(c.Encode(), "Query.users", "search", "name") },
		"other arguments":        func() (scalar.Cursor, error) { return scalar.DecodeCursor(c.Encode(), "Query.clients", "search", "") },
		"arguments run together": func() (scalar.Cursor, error) { return scalar.DecodeCursor(c.Encode(), "Query.clients", "searchname") },
		"no arguments":           func() (scalar.Cursor, error) { return scalar.DecodeCursor(c.Encode(), "Query.clients") },
	} {
		if _, err := decode(); !errors.Is(err, scalar.ErrCursorList) {
			t.Errorf("%s: got %v, want %v", name, err, scalar.ErrCursorList)
		}
	}
}

func TestATamperedCursorIsRefused(t *testing.T) {
	t.Parallel()
	text := scalar.Cursor{List: "Query.users", Offset: 7}.Encode()
	for i := range text {
		changed := []byte(text)
		changed[i] = 'A' + (changed[i]-'A'+1)%26
		if string(changed) == text {
			continue
		}
		if c, err := scalar.DecodeCursor(string(changed), "Query.users"); err == nil {
			t.Errorf("a change at %d is taken for %+v", i, c)
		}
	}
	for _, text := range []string{"", "A", strings.Repeat("A", 5000), text + "=", text + text} {
		if c, err := scalar.DecodeCursor(text, "Query.users"); err == nil {
			t.Errorf("%.20q is taken for %+v", text, c)
		}
	}
}

func FuzzDecodeCursor(f *testing.F) {
	f.Add(scalar.Cursor{List: "Query.users", Offset: 7}.Encode(), "Query.users", "")
	f.Add(scalar.Cursor{List: "Client.users", Bound: []string{"x"}, Token: "t"}.Encode(), "Client.users", "x")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, text, list, bound string) {
		c, err := scalar.DecodeCursor(text, list, bound)
		if err != nil {
			return
		}
		again, err := scalar.DecodeCursor(c.Encode(), list, bound)
		if err != nil || !cmp.Equal(c, again) || c.Offset < 0 || scalar.CheckCursor(text, list) != nil {
			t.Errorf("%q is %+v, which is read back as %+v, %v", text, c, again, err)
		}
	})
}

func TestFirstIsWithinItsBounds(t *testing.T) {
	t.Parallel()
	number := func(n int) *int { return &n }
	for _, test := range []struct {
		first       *int
		least, want int
		refused     bool
	}{
		{nil, 1, 25, false}, {number(1), 1, 1, false}, {number(100), 1, 100, false}, {number(0), 0, 0, false},
		{number(0), 1, 0, true}, {number(101), 0, 0, true}, {number(-1), 0, 0, true},
	} {
		got, err := scalar.First(test.first, test.least)
		var input *scalar.InputError
		if got != test.want || errors.As(err, &input) != test.refused {
			t.Errorf("got %d %v, want %d", got, err, test.want)
		}
	}
}

func TestJSONKeepsNumbersAndMarkup(t *testing.T) {
	t.Parallel()
	raw, err := scalar.UnmarshalJSON(map[string]any{"html": "<em>&"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	scalar.MarshalJSON(raw).MarshalGQL(&out)
	if got, want := out.String(), `{"html":"<em>&"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	out.Reset()
	scalar.MarshalJSON(nil).MarshalGQL(&out)
	if out.String() != "null" {
		t.Errorf("got %s, want null", out.String())
	}
}
