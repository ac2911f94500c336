package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// lastStage returns the configuration of the image that the last stage of a Dockerfile builds. An instruction that is
// not known here is an error.
func lastStage(path string) (v1.Config, error) {
	config := v1.Config{}
	text, err := os.ReadFile(path)
	if err != nil {
		return config, err
	}
	for _, line := range instructions(string(text)) {
		name, rest, _ := strings.Cut(line, " ")
		if name == "FROM" {
			config = v1.Config{WorkingDir: "/"}
			continue
		}
		if err := apply(&config, name, strings.TrimSpace(rest)); err != nil {
			return config, fmt.Errorf("%s: %s: %w", path, name, err)
		}
	}
	return config, nil
}

// instructions returns the lines of a Dockerfile without comments, a continued one as one.
func instructions(text string) []string {
	text = regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, "")
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func apply(config *v1.Config, name, rest string) (err error) {
	switch name {
	case "COPY", "RUN", "WORKDIR", "ENV": // these make the folder, and the last stage has COPY alone
	case "USER":
		config.User = rest
	case "EXPOSE":
		config.ExposedPorts = map[string]struct{}{}
		for port := range strings.FieldsSeq(rest) {
			config.ExposedPorts[port+"/tcp"] = struct{}{}
		}
	case "ENTRYPOINT":
		err = json.Unmarshal([]byte(rest), &config.Entrypoint)
	case "HEALTHCHECK":
		config.Healthcheck, err = healthcheck(rest)
	case "LABEL":
		config.Labels, err = labels(rest)
	default:
		err = fmt.Errorf("an instruction that is not known here")
	}
	return err
}

func healthcheck(text string) (*v1.HealthConfig, error) {
	options, command, ok := strings.Cut(text, "CMD ")
	if !ok {
		return nil, fmt.Errorf("no CMD")
	}
	h := &v1.HealthConfig{}
	if err := json.Unmarshal([]byte(command), &h.Test); err != nil {
		return nil, err
	}
	h.Test = append([]string{"CMD"}, h.Test...)
	to := map[string]*time.Duration{"--interval": &h.Interval, "--timeout": &h.Timeout, "--start-period": &h.StartPeriod}
	for option := range strings.FieldsSeq(options) {
		name, value, _ := strings.Cut(option, "=")
		d, err := time.ParseDuration(value)
		if err != nil || to[name] == nil {
			return nil, fmt.Errorf("%s is not known here", option)
		}
		*to[name] = d
	}
	return h, nil
}

var label = regexp.MustCompile(`([a-z.]+)=("(?:[^"\\]|\\.)*")\s*`)

func labels(text string) (map[string]string, error) {
	found := map[string]string{}
	for _, match := range label.FindAllStringSubmatch(text, -1) {
		value, err := strconv.Unquote(match[2])
		if err != nil {
			return nil, err
		}
		found[match[1]] = value
	}
	if rest := label.ReplaceAllString(text, ""); rest != "" {
		return nil, fmt.Errorf("%q is no label", rest)
	}
	return found, nil
}
