package document

// Nodes wraps the elements of a list of objects one by one. A null element is the zero T, and so is one of another
// kind, whose *Mismatch is at its index in the errors; these are nil where every element is right. A null v returns nil
// and nil; a v that is no array returns nil and one error.
func Nodes[T any](v Value, wrap func(Object) T) ([]T, []error) {
	return elements(v, func(e Value) (T, error) {
		o, err := e.Object()
		if err != nil {
			var zero T
			return zero, err
		}
		return wrap(o), nil
	})
}

// Leaves reads the elements of a list of leaves one by one. A null element is nil, and so is one that read refuses,
// whose error is at its index in the errors; these are nil where every element is right. A null v returns nil and nil;
// a v that is no array returns nil and one error.
func Leaves[T any](v Value, read func(Value) (T, error)) ([]*T, []error) {
	return elements(v, func(e Value) (*T, error) { return Optional(e, read) })
}

// Optional reads v, and returns nil for null.
func Optional[T any](v Value, read func(Value) (T, error)) (*T, error) {
	if v.Kind() == KindNull {
		return nil, nil
	}
	t, err := read(v)
	if err != nil {
		return nil, err
	}
	return &t, nil
}

func elements[T any](v Value, read func(Value) (T, error)) ([]T, []error) {
	switch kind := v.Kind(); kind {
	case KindArray:
	case KindNull:
		return nil, nil
	default:
		return nil, []error{&Mismatch{Want: "array", Got: kind}}
	}
	n := v.Len()
	list := make([]T, n)
	var errs []error
	for i := range n {
		e := v.At(i)
		if e.Kind() == KindNull {
			continue
		}
		t, err := read(e)
		if err == nil {
			list[i] = t
			continue
		}
		if errs == nil {
			errs = make([]error, n)
		}
		errs[i] = err
	}
	return list, errs
}
