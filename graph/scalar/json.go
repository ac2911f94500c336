package scalar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/99designs/gqlgen/graphql"
)

// MarshalJSON writes a JSON value as it is.
func MarshalJSON(v json.RawMessage) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		if len(v) == 0 {
			v = json.RawMessage("null")
		}
		_, _ = w.Write(v)
	})
}

// UnmarshalJSON takes any value of a literal or a variable.
func UnmarshalJSON(v any) (json.RawMessage, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, errors.New("is not a JSON value")
	}
	return json.RawMessage(bytes.TrimRight(buf.Bytes(), "\n")), nil
}

// MarshalDate writes a date as the backend sent it.
func MarshalDate(v string) graphql.Marshaler { return graphql.MarshalString(v) }

// UnmarshalDate takes a date as text. No argument of the schema is a date, but gqlgen requires the pair for a scalar.
func UnmarshalDate(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("must be a date as text, not %T", v)
	}
	return s, nil
}
