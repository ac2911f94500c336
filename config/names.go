package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Names are those of the environment: NAME, and for a secret also NAME_FILE.
func (s Setting) Names() []string {
	if s.Secret {
		return []string{s.Name, s.Name + "_FILE"}
	}
	return []string{s.Name}
}

// FlagName is the name of a flag for a name of the environment.
func FlagName(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

func names(known map[string]Setting) []string { return slices.Sorted(maps.Keys(known)) }

// nearest returns the name that is spelled most alike with at most so many changes, empty where none is near.
func nearest(name string, known []string, most int) string {
	best, distance := "", min(most, len(name)/3)+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// didYouMean suggests a name of a file: that of the group's setting, or one that is spelled alike. Two letters in each
// other's place are two changes.
func didYouMean(group, name string, known []string) string {
	if slices.Contains(known, group+"_"+name) {
		return fmt.Sprintf("; did you mean %q?", group+"_"+name)
	}
	if near := nearest(name, known, min(max(len(name)/4, 2), 4)); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// families are beginnings of names that no other program has a use for.
var families = []string{"LEARNGRAPH_", "THOUGHTINDUSTRIES_", "COASSEMBLE_", "MATTR_", "CACHE_", "OPERATION_",
	"UPSTREAM_", "LINK_", "TRUSTED_", "CORS_", "JWT_"}

// minComparedLength is the shortest name for which being spelled alike is no accident.
const minComparedLength = 6

// misspelledNames returns a warning for each name of the environment that looks like one of ours and is none.
func misspelledNames(environ []string) (warnings []string) {
	var known []string
	for _, s := range Settings() {
		known = append(known, s.Names()...)
	}
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, _, _ := strings.Cut(entry, "=")
		if slices.Contains(known, name) {
			continue
		}
		most := 2
		inFamily := slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(name, f) })
		if inFamily {
			most = 3
		}
		near := ""
		if len(name) >= minComparedLength {
			near = nearest(strings.TrimPrefix(name, "LEARNGRAPH_"), known, min(len(name)/4, most))
		}
		switch {
		case near != "":
			warnings = append(warnings,
				fmt.Sprintf("the environment has %s, which is not a setting and has no effect; did you mean %s?", name, near))
		case inFamily:
			warnings = append(warnings,
				fmt.Sprintf("the environment has %s, which is not a setting and has no effect; learngraph help lists them", name))
		}
	}
	return warnings
}
