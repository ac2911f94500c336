package coassemble

import "context"

// Walk is a list that was read page by page from its start.
type Walk[T any] struct {
	Items []T
	// Pages is how many were read; Done says that no more follow.
	Pages int
	Done  bool
	// Unusable is set if the list shows nothing but identifiers, so that it cannot answer who belongs where, or if a page
	// brought nothing new. Either ends the walk.
	Unusable bool
}

// WalkUsers reads at most bound pages of all users.
func WalkUsers(ctx context.Context, bound int, read func(context.Context, Page) ([]*User, error)) (Walk[*User], error) {
	return walk(ctx, bound, read, func(u *User) (string, bool) { return u.Identifier, u.Bare })
}

// WalkClients reads at most bound pages of all embed clients.
func WalkClients(ctx context.Context, bound int, read func(context.Context, Page) ([]*EmbedClient, error)) (Walk[*EmbedClient], error) {
	return walk(ctx, bound, read, func(c *EmbedClient) (string, bool) { return c.Identifier, c.Bare })
}

func walk[T any](ctx context.Context, bound int, read func(context.Context, Page) ([]T, error), key func(T) (identifier string, bare bool)) (w Walk[T], err error) {
	seen := map[string]bool{}
	for w.Pages < bound && !w.Done {
		items, err := read(ctx, Page{Number: w.Pages, Length: MaxLength})
		if err != nil {
			return w, err
		}
		w.Pages++
		w.Done = len(items) < MaxLength
		before := len(seen)
		for _, item := range items {
			identifier, bare := key(item)
			w.Unusable = w.Unusable || bare
			seen[identifier] = true
		}
		if w.Unusable = w.Unusable || len(items) > 0 && len(seen) == before; w.Unusable {
			return w, nil
		}
		w.Items = append(w.Items, items...)
	}
	return w, nil
}
