package resolvers

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// drop forgets what a write may have changed, in every replica.
type drop func(ctx context.Context, s *store)

func (r mutationResolver) writeCoassemble(ctx context.Context, changed drop, write func(*coassemble.Client) error) error {
	if r.Coassemble == nil {
		return notConfigured(upstream.Coassemble)
	}
	return r.write(ctx, changed, func() error { return write(r.Coassemble) })
}

func (r mutationResolver) writeMATTR(ctx context.Context, changed drop, write func(*mattr.Client) error) error {
	if r.MATTR == nil {
		return notConfigured(upstream.MATTR)
	}
	return r.write(ctx, changed, func() error { return write(r.MATTR) })
}

// write forgets also after a write that failed, because it may have happened, unless it certainly never left: what is
// kept is worth most while a backend cannot be reached.
func (r mutationResolver) write(ctx context.Context, changed drop, write func() error) error {
	err := write()
	if !neverLeft(err) {
		changed(context.WithoutCancel(ctx), r.store)
		if r.Beside != nil {
			changed(context.WithoutCancel(ctx), r.Beside.store)
		}
		forget(ctx)
	}
	return err
}

// neverLeft says whether a call failed before anything of it was sent.
func neverLeft(err error) bool {
	var e *upstream.Error
	return errors.As(err, &e) && (e.Local || e.Kind == upstream.Unavailable && e.Status == 0)
}

func embedClientChange(key string) drop {
	return func(ctx context.Context, s *store) { s.embedClients.objects.Drop(ctx, key) }
}

// embedClientDelete takes the client's users along: all objects of the client are deleted.
func embedClientDelete(key string) drop {
	return func(ctx context.Context, s *store) {
		s.embedClients.objects.Drop(ctx, key)
		s.cache.DropTags(ctx, s.tag(upstream.Coassemble, allEmbedClients), s.tag(upstream.Coassemble, allUsers), s.usersOf(key))
	}
}

// userChange drops, where the user moves, the lists of users and every embed client: two of them count their users anew,
// and one may have come to exist.
func userChange(key string, update coassemble.UserUpdate) drop {
	return func(ctx context.Context, s *store) {
		s.users.objects.Drop(ctx, key)
		if update.ClientIdentifier == nil {
			return
		}
		s.embedClients.objects.Drop(ctx, *update.ClientIdentifier)
		s.cache.DropTags(ctx, s.tag(upstream.Coassemble, allUsers), s.tag(upstream.Coassemble, allEmbedClients))
	}
}

func userDelete(key string) drop {
	return func(ctx context.Context, s *store) {
		s.users.objects.Drop(ctx, key)
		s.cache.DropTags(ctx, s.tag(upstream.Coassemble, allUsers), s.tag(upstream.Coassemble, allEmbedClients))
	}
}

// identityChange drops the identity on every route, its credentials and its join; and, where the write names another
// user's key, what was known of that one.
func (r *Resolver) identityChange(key string, update mattr.Update) drop {
	return func(ctx context.Context, s *store) {
		s.identities.objects.Drop(ctx, key)
		s.found.objects.Drop(ctx, key)
		s.cache.DropTags(ctx, s.identityTag(key), s.tag(upstream.MATTR, allIdentities))
		s.identityWalk.Drop(ctx, wholeWalk)
		if user := r.joinedBy(update); user != "" {
			s.userIdentities.Drop(ctx, user)
		}
	}
}

// joinedBy is the user whom an update joins the identity to, empty where it names none.
func (r *Resolver) joinedBy(update mattr.Update) string {
	if claim := r.Link.claim(); claim != "" {
		var claims map[string]json.RawMessage
		var text string
		if json.Unmarshal(update.Claims, &claims) == nil {
			_ = json.Unmarshal(claims[claim], &text)
		}
		return text
	}
	if update.Provider == nil {
		return ""
	}
	return value(update.Provider.SubjectID)
}
