package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/upstream/emulator"
)

// bytesOf are an answer as it goes over the wire.
type bytesOf struct{ media, body string }

// parameter returns a parameter of the media type without the quotes around it. Both parsers divide the header at each semicolon.
func (b bytesOf) parameter(name string) string {
	for p := range strings.SplitSeq(b.media, ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(p), name+"="); ok {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// parts divides the body at each boundary behind a line break.
func (b bytesOf) parts() []string { return strings.Split(b.body, "\r\n--"+b.parameter("boundary")) }

// payloads are the texts of the parts.
func (b bytesOf) payloads() (list []map[string]any) {
	for _, part := range b.parts() {
		_, text, ok := strings.Cut(part, "\r\n\r\n")
		var v map[string]any
		if ok && json.Unmarshal([]byte(text), &v) == nil {
			list = append(list, v)
		}
	}
	return list
}

func later(payloads []map[string]any) []map[string]any { return payloads[min(1, len(payloads)):] }

func incrementsOf(payload map[string]any) (list []map[string]any) {
	all, _ := payload["incremental"].([]any)
	for _, one := range all {
		if o, ok := one.(map[string]any); ok {
			list = append(list, o)
		}
	}
	return list
}

// node is the value at a path.
func node(at any, path []any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			o, _ := at.(map[string]any)
			at = o[step]
		case float64:
			list, _ := at.([]any)
			if int(step) >= len(list) {
				return nil
			}
			at = list[int(step)]
		}
	}
	return at
}

// mergeInto adds the members of one object to another.
func mergeInto(to, from map[string]any) {
	for k, v := range from {
		inner, ok := v.(map[string]any)
		if known, also := to[k].(map[string]any); ok && also {
			mergeInto(known, inner)
		} else {
			to[k] = v
		}
	}
}

// rule is a parser's requirement for an answer in parts. broken returns how the answer breaks it, empty where it does
// not.
type rule struct {
	name   string
	broken func(bytesOf) string
}

// Apollo iOS 2, https://github.com/apollographql/apollo-ios at fe14c216, in Sources/Apollo/ResponseParsing.
var appleRules = []rule{
	// HTTPURLResponse+MultipartHeaderComponents.swift, isMultipart and multipartHeaderComponents: the header has multipart/mixed and
	// a boundary.
	{"iOS: media type", func(b bytesOf) string {
		return complain(strings.Contains(b.media, "multipart/mixed") && b.parameter("boundary") != "", b.media)
	}},
	// JSONResponseParser.swift, multipartParser: the parameter that has Spec= is exactly deferSpec=20220824, without quotes.
	{"iOS: protocol", func(b bytesOf) string {
		return complain(slices.ContainsFunc(strings.Split(b.media, ";"), func(p string) bool { return strings.TrimSpace(p) == "deferSpec=20220824" }), b.media)
	}},
	// AsyncHTTPResponseChunkSequence.swift, next and formatAsChunk: a boundary follows a line break, the first one too, and
	// one that begins with two dashes ends the answer. A first boundary without a line break loses the first payload.
	{"iOS: boundaries", func(b bytesOf) string {
		parts := b.parts()
		last := parts[len(parts)-1]
		return complain(parts[0] == "" && strings.HasPrefix(last, "--"), fmt.Sprintf("begins with %q, ends with %q", parts[0], last))
	}},
	// MultipartResponseSpecificationParser.swift, ContentTypeDataLine, and MultipartResponseDeferParser.swift, parse: before an empty
	// line a part has one header, Content-Type or content-type, of one of two media types up to "; ".
	{"iOS: headers of parts", func(b bytesOf) string {
		for _, part := range b.parts()[1 : len(b.parts())-1] {
			header, _, _ := strings.Cut(strings.TrimPrefix(part, "\r\n"), "\r\n\r\n")
			value, ok := strings.CutPrefix(strings.ToLower(header[:1])+header[1:], "content-Type: ")
			value, _, _ = strings.Cut(value, "; ")
			if !ok || value != "application/json" && value != "application/graphql-response+json" {
				return header
			}
		}
		return ""
	}},
	// MultipartResponseDeferParser.swift, isPartialResponse and isIncrementalResponse: each payload has hasNext and data, or hasNext and
	// incremental. One that has hasNext alone is an error.
	{"iOS: payloads", func(b bytesOf) string {
		for i, p := range b.payloads() {
			_, next := p["hasNext"]
			_, data := p["data"]
			_, incremental := p["incremental"]
			if !next || i == 0 && (!data || incremental) || i > 0 && !incremental {
				return fmt.Sprint(p)
			}
		}
		return complain(len(b.payloads()) == len(b.parts())-2, "a part is no JSON object")
	}},
	// IncrementalResponseExecutionHandler.swift, init and makeResult: each increment has a path that is a list, and a label.
	{"iOS: increments", func(b bytesOf) string {
		for _, p := range later(b.payloads()) {
			for _, inc := range incrementsOf(p) {
				_, path := inc["path"].([]any)
				if _, label := inc["label"].(string); !path || !label {
					return fmt.Sprint(inc)
				}
			}
		}
		return ""
	}},
	// IncrementalResponseExecutionHandler.swift, resolveCacheKey: the path leads to an object that came before.
	{"iOS: paths", mergesByPath},
}

// Apollo Kotlin, https://github.com/apollographql/apollo-kotlin, in libraries/apollo-runtime/src/commonMain/kotlin/com/apollographql.
var kotlinRules = []rule{
	// apollo/internal/multipart.kt, isMultipart and getBoundaryParameter.
	{"Kotlin: media type", func(b bytesOf) string {
		return complain(strings.HasPrefix(strings.ToLower(b.media), "multipart/") && b.parameter("boundary") != "", b.media)
	}},
	// apollo3/internal/MultipartReader.kt, nextPart: behind a boundary comes a line break, or two dashes after at least one part.
	{"Kotlin: boundaries", func(b bytesOf) string {
		parts := b.parts()
		for _, part := range parts[1 : len(parts)-1] {
			if !strings.HasPrefix(part, "\r\n") {
				return part
			}
		}
		return complain(len(parts) > 2 && strings.HasPrefix(parts[len(parts)-1], "--"), b.body)
	}},
	// apollo3/internal/MultipartReader.kt, readHeaders: each line has a colon.
	{"Kotlin: headers of parts", func(b bytesOf) string {
		for _, part := range b.parts()[1 : len(b.parts())-1] {
			header, _, ok := strings.Cut(strings.TrimPrefix(part, "\r\n"), "\r\n\r\n")
			for line := range strings.SplitSeq(header, "\r\n") {
				if !ok || !strings.Contains(line, ":") {
					return line
				}
			}
		}
		return ""
	}},
	// apollo/network/http/HttpNetworkTransport.kt, multipleResponses: hasNext is false in the last payload alone.
	{"Kotlin: the last payload", func(b bytesOf) string {
		payloads := b.payloads()
		for i, p := range payloads {
			if p["hasNext"] != (i < len(payloads)-1) {
				return fmt.Sprint(p)
			}
		}
		return ""
	}},
}

// apollo/internal/incremental/V0_1IncrementalResultsMerger.kt, merge and incrementalResult: data is null, or is merged into the object
// that the path leads to.
var kotlinRule01 = rule{"Kotlin: paths", mergesByPath}

// apollo/internal/incremental/V0_2IncrementalResultsMerger.kt, handlePending, mergeIncrementalResult and handleCompleted: an id is a
// string that was announced with a path and has not ended, and path and subPath lead to the object or list that grows.
var kotlinRule02 = rule{"Kotlin: ids", mergesByID}

func complain(ok bool, what string) string {
	if ok {
		return ""
	}
	return what
}

func mergesByPath(b bytesOf) string {
	payloads := b.payloads()
	if len(payloads) == 0 {
		return "no payload"
	}
	for _, p := range later(payloads) {
		for _, inc := range incrementsOf(p) {
			path, _ := inc["path"].([]any)
			data, _ := inc["data"].(map[string]any)
			to, ok := node(payloads[0]["data"], path).(map[string]any)
			if !ok {
				return fmt.Sprint("nothing is at ", path)
			}
			mergeInto(to, data)
		}
	}
	return ""
}

func mergesByID(b bytesOf) string {
	payloads := b.payloads()
	pending := map[string][]any{}
	for _, p := range payloads {
		announced, _ := p["pending"].([]any)
		for _, one := range announced {
			o, _ := one.(map[string]any)
			id, ok := o["id"].(string)
			path, also := o["path"].([]any)
			if !ok || !also {
				return fmt.Sprint(o)
			}
			pending[id] = path
		}
		for _, inc := range incrementsOf(p) {
			id, _ := inc["id"].(string)
			path, ok := pending[id]
			subPath, _ := inc["subPath"].([]any)
			data, _ := inc["data"].(map[string]any)
			to, also := node(payloads[0]["data"], append(slices.Clone(path), subPath...)).(map[string]any)
			if !ok || !also {
				return fmt.Sprint(inc)
			}
			mergeInto(to, data)
		}
		completed, _ := p["completed"].([]any)
		for _, one := range completed {
			o, _ := one.(map[string]any)
			id, _ := o["id"].(string)
			if _, ok := pending[id]; !ok {
				return fmt.Sprint(o)
			}
			delete(pending, id)
		}
	}
	return complain(len(pending) == 0, "left: "+fmt.Sprint(pending))
}

// broken returns the rules that an answer breaks.
func broken(b bytesOf, rules []rule) (names []string) {
	for _, r := range rules {
		if what := r.broken(b); what != "" {
			names = append(names, r.name+": "+what)
		}
	}
	return names
}

// The requirements of the parsers of Apollo iOS and Apollo Kotlin for an answer, for deferred fragments that arrive, that have
// others in them, and whose backend fails.
func TestAnswersKeepTheRulesOfAppleAndKotlin(t *testing.T) {
	t.Parallel()
	const query = `query Q { clients(first: 2) { nodes { name
		... @defer(label: "a") { users { nodes { name ... @defer(label: "c") { identity { sourceId } } } } }
		... @defer(label: "b") { embed { userCount } } } } }`
	for accept, rules := range map[string][]rule{
		"multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json":     slices.Concat(appleRules, kotlinRules, []rule{kotlinRule01}),
		"multipart/mixed;deferSpec=20220824, application/graphql-response+json, application/json":   slices.Concat(appleRules, kotlinRules, []rule{kotlinRule01}),
		"multipart/mixed;incrementalSpec=v0.2, application/graphql-response+json, application/json": append(slices.Clone(kotlinRules), kotlinRule02),
	} {
		for _, failing := range []string{"", "coassemble", "mattr"} {
			p := start(t, setup{Emulator: emulator.Options{Clients: 2, UsersPerClient: 2, Linked: true}, Wrap: slowEdges})
			if failing != "" {
				p.backends.SetFault(failing, emulator.Fault{Status: http.StatusForbidden})
			}
			server := httptest.NewServer(p.Handler)
			defer server.Close()
			s := open(t, server.URL, query, map[string]string{"Accept": accept})
			body, err := io.ReadAll(s.Body)
			if err != nil {
				t.Fatal(err)
			}
			b := bytesOf{s.Header.Get("Content-Type"), string(body)}
			if names := broken(b, rules); len(names) > 0 || len(b.payloads()) < 2 {
				t.Errorf("%s, failing %q: %s\n%s", accept, failing, names, b.body)
			}
		}
	}
}

// Each rule is broken by an answer that its parser would not take.
func TestTheRulesOfAppleAndKotlinCanBeBroken(t *testing.T) {
	t.Parallel()
	const media, header = `multipart/mixed; boundary="graphql"; deferSpec=20220824`, "\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
	body := func(parts ...string) string {
		return "\r\n--graphql" + header + strings.Join(parts, "\r\n--graphql"+header) + "\r\n--graphql--\r\n"
	}
	first, last := `{"data":{"a":{}},"hasNext":true}`, `{"incremental":[{"data":{"b":1},"path":["a"],"label":"l"}],"hasNext":false}`
	good := bytesOf{media, body(first, last)}
	all := slices.Concat(appleRules, kotlinRules, []rule{kotlinRule01})
	if names := broken(good, all); len(names) > 0 {
		t.Fatal(names)
	}
	for name, b := range map[string]bytesOf{
		"iOS: media type":          {"application/json", good.body},
		"iOS: protocol":            {`multipart/mixed; boundary="graphql"; deferSpec="20220824"`, good.body},
		"iOS: boundaries":          {media, strings.TrimPrefix(good.body, "\r\n")},
		"iOS: headers of parts":    {media, strings.ReplaceAll(good.body, "json; charset", "json;charset")},
		"iOS: payloads":            {media, body(first, last, `{"hasNext":false}`)},
		"iOS: increments":          {media, strings.ReplaceAll(good.body, `,"label":"l"`, "")},
		"iOS: paths":               {media, strings.ReplaceAll(good.body, `["a"]`, `["c"]`)},
		"Kotlin: boundaries":       {media, strings.TrimSuffix(good.body, "--\r\n")},
		"Kotlin: headers of parts": {media, strings.ReplaceAll(good.body, "Content-Type: ", "Content-Type ")},
		"Kotlin: the last payload": {media, strings.ReplaceAll(good.body, "false", "true")},
	} {
		if !strings.Contains(fmt.Sprint(broken(b, all)), name) {
			t.Errorf("%s is kept by %s: %s", name, b.media, b.body)
		}
	}
}
