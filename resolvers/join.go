package resolvers

import (
	"cmp"
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/loader"
	"github.com/vektah/gqlparser/v2/ast"
)

// join loads the record of each parent's key. A parent without a key leads to nothing and makes no call. shape may
// return an error in addition to a result that lacks something.
func join[P any, K comparable, V, R any](ctx context.Context, parents []P, l *loader.Loader[K, V],
	key func(P) (K, bool, error), shape func(K, V) (R, error)) ([]R, error) {
	results := make([]R, len(parents))
	errs := make(graphql.BatchErrorList, len(parents))
	var keys []K
	var asking []int
	for i, p := range parents {
		k, ok, err := key(p)
		errs[i] = err
		if ok && err == nil {
			keys, asking = append(keys, k), append(asking, i)
		}
	}
	if len(keys) > 0 {
		for j, result := range l.Load(datasource.WithParents(ctx, asking, len(parents)), keys) {
			i, err := asking[j], result.Err
			if result.Found {
				var missing error
				results[i], missing = shape(keys[j], result.Value)
				if err = cmp.Or(missing, err); err != nil {
					err = partialError{err}
				}
			}
			errs[i] = err
		}
	}
	return results, anyOf(errs)
}

// load loads one key; the zero value is a missing record.
func load[K comparable, V any](ctx context.Context, l *loader.Loader[K, V], key K) (V, error) {
	result := l.Load(ctx, []K{key})[0]
	return result.Value, result.Err
}

// anyOf is the list where it holds an error, else nil.
func anyOf(errs graphql.BatchErrorList) error {
	for _, err := range errs {
		if err != nil {
			return errs
		}
	}
	return nil
}

// firstOf is the first error of a batch.
func firstOf(err error) error {
	errs, ok := err.(graphql.BatchErrorList)
	if !ok {
		return err
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// identity is the conversion of a join that needs none.
func identity[K, V any](_ K, v V) (V, error) { return v, nil }

// optionalKey makes a join's key of an optional text: null and empty lead nowhere.
func optionalKey(text *string, err error) (string, bool, error) {
	if err != nil || text == nil || *text == "" {
		return "", false, err
	}
	return *text, true, nil
}

// addPartialError adds the reason why some nodes of the field that is being resolved are null; nil adds none.
func addPartialError(ctx context.Context, missing error) {
	if missing != nil {
		graphql.AddError(ctx, missing)
	}
}

// fieldPath is the place of the field that is being resolved, without indexes.
func fieldPath(ctx context.Context) string {
	var names []string
	for _, p := range graphql.GetPath(ctx) {
		if name, ok := p.(ast.PathName); ok {
			names = append(names, string(name))
		}
	}
	return strings.Join(names, ".")
}
