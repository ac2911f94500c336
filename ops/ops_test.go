// Package ops_test compares the files that are shipped around the program with the program itself.
package ops_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/learngraph/learngraph/config"
	"github.com/learngraph/learngraph/upstream/emulator"
	"go.yaml.in/yaml/v3"
)

const chart = "helm/learngraph"

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readYAML(t *testing.T, path string) (v map[string]any) {
	t.Helper()
	if err := yaml.Unmarshal(read(t, path), &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

// isSetting reports whether the environment name is one that the program reads, itself or through its libraries.
func isSetting(name string) bool {
	if slices.Contains([]string{"SSL_CERT_FILE", "OTEL_EXPORTER_OTLP_ENDPOINT", "GOMEMLIMIT"}, name) {
		return true
	}
	for _, s := range config.Settings() {
		if slices.Contains(s.Names(), name) {
			return true
		}
	}
	return false
}

func TestTheSchemaOfTheChartHasTheProgramsOwn(t *testing.T) {
	t.Parallel()
	var values struct {
		Properties struct {
			Config map[string]any `json:"config"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(read(t, chart+"/values.schema.json"), &values); err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	if err := json.Unmarshal(config.Schema(), &want); err != nil {
		t.Fatal(err)
	}
	got := values.Properties.Config
	delete(got, "$id")
	delete(want, "$schema")
	if !reflect.DeepEqual(got, want) {
		t.Error("properties.config of values.schema.json is not what learngraph config schema prints; run ops/chartschema.sh")
	}
}

// TestTheConfigurationOfTheChartIsTakenByTheProgram loads the configuration of each set of values as a pod would.
func TestTheConfigurationOfTheChartIsTakenByTheProgram(t *testing.T) {
	t.Parallel()
	sets, err := filepath.Glob(chart + "/ci/*-values.yaml")
	if err != nil || len(sets) < 5 {
		t.Fatalf("got %d sets of values, %v", len(sets), err)
	}
	for _, path := range append(sets, chart+"/values.yaml") {
		values := readYAML(t, path)
		secrets, _ := values["secrets"].(map[string]any)
		keys, _ := secrets["keys"].([]any)
		for _, key := range keys {
			if !isSetting(key.(string) + "_FILE") {
				t.Errorf("%s: %s is no secret of the program", path, key)
			}
		}
		env := map[string]string{"COASSEMBLE_AUTHORIZATION": "COASSEMBLE:1:key", "API_KEYS_FILE": os.DevNull,
			"JWT_JWKS": "https://issuer.example/keys", "JWT_ISSUER": "https://issuer.example", "JWT_AUDIENCE": "learngraph"}
		settings, ok := values["config"]
		if !ok {
			continue
		}
		text, err := yaml.Marshal(settings)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "learngraph.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		flags := map[string]string{"REDIS_CA_FILE": caFile(t)}
		if _, err := config.Load(config.Sources{File: file, Flags: flags, Getenv: func(name string) string { return env[name] }}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// caFile is a file that a pod would mount, with the authority of the tests' machine.
func caFile(t *testing.T) string {
	t.Helper()
	for _, path := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Skip("this machine has no authorities")
	return ""
}

func TestEverySettingOfComposeAndTheServiceExists(t *testing.T) {
	t.Parallel()
	compose := readYAML(t, "compose.yaml")
	env := compose["x-learngraph"].(map[string]any)["environment"].(map[string]any)
	for name := range env {
		if !isSetting(name) {
			t.Errorf("compose.yaml: the program has no setting %s", name)
		}
	}
	for name, want := range emulator.Settings("https://backends") {
		if name != "COASSEMBLE_URL" && env[name] != nil && env[name] != want {
			t.Errorf("compose.yaml: %s is %v, the emulator wants %s", name, env[name], want)
		}
	}
	for _, match := range regexp.MustCompile(`\b([A-Z][A-Z0-9]+_[A-Z0-9_]+)=`).FindAllSubmatch(read(t, "systemd/learngraph.service"), -1) {
		if name := string(match[1]); !isSetting(name) {
			t.Errorf("learngraph.service: the program has no setting %s", name)
		}
	}
	if _, err := config.Load(config.Sources{File: "systemd/learngraph.yaml", Demo: true, Getenv: func(string) string { return "" }}); err != nil {
		t.Errorf("systemd/learngraph.yaml: %v", err)
	}
}

func TestTheImageNamesTheVersionOfTheProgram(t *testing.T) {
	t.Parallel()
	version := strings.TrimSpace(string(read(t, "../VERSION")))
	if want := `org.opencontainers.image.version="` + version + `"`; !strings.Contains(string(read(t, "Dockerfile")), want) {
		t.Errorf("the Dockerfile has no label %s", want)
	}
}
