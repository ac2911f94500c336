// Command manifests checks Kubernetes objects, as YAML documents on its standard input, against the schemas that
// Kubernetes, the Gateway API and the Prometheus operator publish. A member that no schema knows is an error, as it is
// for a server that is asked to be strict.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// The modules whose schemas are read. Each sum is of the module's files, as in a go.sum.
const (
	kubernetes      = "k8s.io/kubernetes@v1.31.4"
	kubernetesSum   = "h1:VQDX52gTQnq8C/jCo48AQuDsWbWMh9XXxhQRDYjgakw="
	gatewayAPI      = "sigs.k8s.io/gateway-api@v1.2.1"
	gatewayAPISum   = "h1:fZZ/+RyRb+Y5tGkwxFKuYuSRQHu9dZtbjenblleOLHM="
	promOperator    = "github.com/prometheus-operator/prometheus-operator@v0.79.2"
	promOperatorSum = "h1:H/HCiMS4dXQyiFHw28PFlWMh15YUraL3MFe8u7k7dGA="
)

func main() {
	count, err := check(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(count, "objects are valid")
}

// check returns how many objects r has, and an error that names each one that no schema allows.
func check(r io.Reader) (int, error) {
	schemas, err := load()
	if err != nil {
		return 0, err
	}
	count := 0
	var failures []error
	for documents := utilyaml.NewYAMLReader(bufio.NewReader(r)); ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return count, err
		}
		if named, err := schemas.validate(document); err != nil {
			failures = append(failures, err)
		} else if named {
			count++
		}
	}
	if count == 0 {
		failures = append(failures, errors.New("no object on standard input"))
	}
	return count, errors.Join(failures...)
}

// schemas has a compiled schema for each "apiVersion kind".
type schemas struct {
	compiler *jsonschema.Compiler
	at       map[string]string
}

// validate checks one document and reports whether it holds an object at all.
func (s *schemas) validate(document []byte) (bool, error) {
	text, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return false, err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return false, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return false, nil
	}
	name := fmt.Sprint(object["apiVersion"], " ", object["kind"])
	at, known := s.at[name]
	if !known {
		return false, fmt.Errorf("%s: no schema has it", name)
	}
	schema, err := s.compiler.Compile(at)
	if err != nil {
		return false, err
	}
	if err := schema.Validate(value); err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return true, nil
}

func load() (*schemas, error) {
	s := &schemas{compiler: jsonschema.NewCompiler(), at: map[string]string{}}
	dir, err := module(kubernetes, kubernetesSum)
	if err != nil {
		return nil, err
	}
	if err := s.addSwagger(filepath.Join(dir, "api/openapi-spec/swagger.json")); err != nil {
		return nil, err
	}
	for _, crds := range []struct{ module, sum, files string }{
		{gatewayAPI, gatewayAPISum, "config/crd/standard/*.yaml"},
		{promOperator, promOperatorSum, "example/prometheus-operator-crd/*.yaml"},
	} {
		dir, err := module(crds.module, crds.sum)
		if err != nil {
			return nil, err
		}
		files, err := filepath.Glob(filepath.Join(dir, crds.files))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if err := s.addCRD(file); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return s, nil
}

// module returns the folder of a module, downloading it where it is missing, once its files have the given sum.
func module(version, sum string) (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", version).Output()
	if err != nil {
		return "", fmt.Errorf("go mod download %s: %w", version, err)
	}
	var downloaded struct{ Dir, Sum string }
	if err := json.Unmarshal(out, &downloaded); err != nil {
		return "", err
	}
	if downloaded.Sum != sum {
		return "", fmt.Errorf("%s has sum %s, want %s", version, downloaded.Sum, sum)
	}
	return downloaded.Dir, nil
}

// addSwagger adds the definitions of Kubernetes' own OpenAPI document, which are JSON schemas but for two types.
func (s *schemas) addSwagger(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var document struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return err
	}
	for name, definition := range document.Definitions {
		strict(definition)
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		for _, kind := range kinds {
			k := kind.(map[string]any)
			version := strings.TrimPrefix(fmt.Sprint(k["group"], "/", k["version"]), "/")
			s.at[fmt.Sprint(version, " ", k["kind"])] = "kubernetes.json#/definitions/" + name
		}
	}
	document.Definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = map[string]any{"type": []any{"string",
		"integer"}}
	document.Definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = map[string]any{"type": []any{"string",
		"number"}}
	definitions := map[string]any{}
	for name, definition := range document.Definitions {
		definitions[name] = definition
	}
	return s.add("kubernetes.json", map[string]any{"definitions": definitions})
}

// addCRD adds the schema of each version of a CustomResourceDefinition.
func (s *schemas) addCRD(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var crd struct {
		Spec struct {
			Group    string                `json:"group"`
			Names    struct{ Kind string } `json:"names"`
			Versions []struct {
				Name   string `json:"name"`
				Schema struct {
					Root map[string]any `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return err
	}
	for _, version := range crd.Spec.Versions {
		name := fmt.Sprintf("%s/%s %s", crd.Spec.Group, version.Name, crd.Spec.Names.Kind)
		at := strings.NewReplacer("/", "-", " ", "-").Replace(name) + ".json"
		strict(version.Schema.Root)
		if err := s.add(at, version.Schema.Root); err != nil {
			return err
		}
		s.at[name] = at
	}
	return nil
}

// add registers a schema, whose numbers have to be json.Number for the compiler.
func (s *schemas) add(at string, schema any) error {
	text, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	s.compiler.DefaultDraft(jsonschema.Draft4)
	return s.compiler.AddResource(at, value)
}

// strict makes each object of a schema that lists its members allow no others, and allows numbers where an extension of
// OpenAPI does. Members of metadata are Kubernetes' own and stay open in a CRD, which does not list them.
func strict(schema any) {
	switch s := schema.(type) {
	case []any:
		for _, element := range s {
			strict(element)
		}
	case map[string]any:
		if s["x-kubernetes-int-or-string"] == true {
			delete(s, "type")
			s["type"] = []any{"string", "integer"}
		}
		members, listed := s["properties"].(map[string]any)
		if _, open := s["additionalProperties"]; listed && !open && s["x-kubernetes-preserve-unknown-fields"] != true {
			s["additionalProperties"] = false
		}
		for _, member := range members {
			strict(member)
		}
		for _, word := range []string{"items", "additionalProperties", "allOf", "anyOf", "oneOf"} {
			strict(s[word])
		}
	}
}
