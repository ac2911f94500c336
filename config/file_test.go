package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write config/schema.json")

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "learngraph.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFlagWinsOverTheEnvironmentAndThisOverTheFile(t *testing.T) {
	t.Parallel()
	file := configFile(t, "cache:\n  cache_ttl: 1s\n  cache_stale: 2s\n  cache_negative: 3s\nbatch_limit: 7\ncors_origins: [https://a.example, 'https://b.example']\nexplain: true\n")
	c, err := Load(Sources{File: file, Flags: map[string]string{"CACHE_TTL": "10s"},
		Getenv: environment(map[string]string{"CACHE_TTL": "5s", "CACHE_STALE": "6s"})})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range c.Values {
		got[v.Name] = v.Text + " " + string(v.Source)
	}
	for name, want := range map[string]string{"CACHE_TTL": "10s flag", "CACHE_STALE": "6s environment", "CACHE_NEGATIVE": "3s file", "BATCH_LIMIT": "7 file",
		"CORS_ORIGINS": "https://a.example,https://b.example file", "EXPLAIN": "true file", "CACHE_MEMORY": "128MiB default", "MATTR_CLIENT_SECRET": "(secret) environment"} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
}

func TestAWrongConfigurationFileIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"letters in another order":  {"server:\n  listne: a\n", `line 2: unknown setting "listne"; did you mean "listen"?`},
		"a name without its group":  {"cache:\n  ttl: 1s\n", `line 2: unknown setting "ttl"; did you mean "cache_ttl"?`},
		"a backend's key by itself": {"coassemble:\n  authorization: a\n", `line 2: unknown setting "authorization"; did you mean "coassemble_authorization"?`},
		"a name like no other":      {"nope: 1\n", `line 1: unknown setting "nope"`},
		"an unknown name":           {"cache:\n  cache_tll: 1s\n", `line 2: unknown setting "cache_tll"; did you mean "cache_ttl"?`},
		"an unknown group":          {"cash:\n  cache_ttl: 1s\n", `line 1: unknown setting "cash"`},
		"another group":             {"limits:\n  cache_ttl: 1s\n", "cache_ttl belongs to cache, not to limits"},
		"one twice":                 {"cache_ttl: 1s\ncache:\n  cache_ttl: 2s\n", "line 3: cache_ttl is set twice"},
		"a name of the environment": {"CACHE_TTL: 1s\n", `unknown setting "CACHE_TTL"`},
		"a group in a group":        {"cache:\n  cache: {}\n", `unknown setting "cache"`},
		"a list":                    {"cache_ttl: [1s]\n", "cache_ttl must be a single value"},
		"a map":                     {"cache_ttl: {a: b}\n", "cache_ttl must be a single value"},
		"an anchor":                 {"listen: &a 127.0.0.1:0\nmetrics_listen: *a\n", "metrics_listen must be a single value"},
		"a wrong value":             {"cache_memory: 128\n", `CACHE_MEMORY must be a size with its unit, such as 64MiB; it is "128"`},
		"no names":                  {"- a\n", "must be names with values"},
		"no YAML":                   {"a: b: c\n", "is not YAML: "},
	} {
		_, err := Load(Sources{File: configFile(t, test.text), Getenv: environment(nil)})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
	if _, err := Load(Sources{File: "/nowhere/at-all", Getenv: environment(nil)}); err == nil || !strings.Contains(err.Error(), `"/nowhere/at-all" cannot be read: no such file`) {
		t.Errorf("a file that is nowhere: got %v", err)
	}
	for _, text := range []string{"", "# nothing\n", "cache:\n", "cache_ttl:\n"} {
		if _, err := Load(Sources{File: configFile(t, text), Getenv: environment(nil)}); err != nil {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// What config show writes is a configuration file, but for its secrets.
func TestWhatIsShownIsAConfigurationFile(t *testing.T) {
	t.Parallel()
	c, err := Load(Sources{Getenv: environment(map[string]string{"CACHE_TTL": "5s", "CORS_ORIGINS": "https://a.example"})})
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := c.Show(&first); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(first.String(), "cache:\n  cache_ttl: \"5s\" # environment\n") {
		t.Errorf("got %s", &first)
	}
	again, err := Load(Sources{File: configFile(t, first.String()), Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Show(&second)
	var a, b map[string]map[string]any
	if yaml.Unmarshal(first.Bytes(), &a) != nil || yaml.Unmarshal(second.Bytes(), &b) != nil {
		t.Fatal("what is shown is no YAML")
	}
	for group, settings := range a {
		for name, value := range settings {
			if b[group][name] != value {
				t.Errorf("%s.%s: got %v, then %v", group, name, value, b[group][name])
			}
		}
	}
}

func TestTheCommittedSchemaIsThatOfTheSettings(t *testing.T) {
	t.Parallel()
	if *update {
		if err := os.WriteFile("schema.json", Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("schema.json")
	if err != nil || !bytes.Equal(text, Schema()) {
		t.Errorf("config/schema.json is not what config schema prints: run go test ./config -update (%v)", err)
	}
}

func TestNamesThatLookLikeOursAreWarnedOf(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"CACHE_TLL=1s": "CACHE_TTL", "LEARNGRAPH_CACHE_TTL=1s": "CACHE_TTL", "THOUGHTINDUSTRIES_APIKEY=x": "THOUGHTINDUSTRIES_API_KEY", "LISTN=x": "",
		"COASSEMBLE_TOKEN=x": "learngraph help", "CACHE_TTL=1s": "", "MATTR_TOKEN_FILE=x": "", "PATH=/bin": "", "REDIS_PORT=6379": "", "HOSTNAME=x": "",
		"KUBERNETES_SERVICE_HOST=x": "", "METRICS_LISTENER=x": "METRICS_LISTEN",
	} {
		got := strings.Join(misspelledNames([]string{entry}), "\n")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", entry, got, want)
		}
		if name, value, _ := strings.Cut(entry, "="); got != "" && strings.Contains(got, "="+value) {
			t.Errorf("%s: the warning shows the value", name)
		}
	}
}

// An address is shown without what may be a password or a key in it, in the record of settings too.
func TestAnAddressIsShownWithoutItsUserAndQuery(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"https://cdn.example/purge?key=hunter2":         "https://cdn.example/purge?(secret)",
		"https://cdn.example/purge?tag={tag}&k=hunter2": "https://cdn.example/purge?(secret)",
		"https://cdn.example/purge/{tag}":               "https://cdn.example/purge/{tag}",
		"https://cdn.example/purge":                     "https://cdn.example/purge",
	} {
		c, err := Load(Sources{Demo: true, Getenv: func(name string) string {
			return map[string]string{"CDN_PURGE_URL": value, "CDN_TAG_HEADER": "Cache-Tag"}[name]
		}})
		if err != nil {
			t.Fatal(err)
		}
		var shown strings.Builder
		if err := c.Show(&shown); err != nil || !strings.Contains(shown.String(), "cdn_purge_url: "+strconv.Quote(want)+" # environment") {
			t.Errorf("%s is shown as\n%s", value, shown.String())
		}
	}
	if got := withoutSecrets("http://user:hunter2@collector:4318/v1"); got != "http://(secret)@collector:4318/v1" {
		t.Errorf("got %s", got)
	}
}
