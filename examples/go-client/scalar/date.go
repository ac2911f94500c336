// Package scalar has the Go types of the schema's own scalars.
package scalar

import (
	"fmt"
	"time"
)

// Date is a day or a moment in ISO 8601, as the backend wrote it.
type Date string

var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly}

// Time returns the moment, the beginning of a day in UTC where there is no time.
func (d Date) Time() (time.Time, error) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, string(d)); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("the date %q is in no known form", string(d))
}
