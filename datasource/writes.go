package datasource

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// UpdateEmbedClient replaces the metadata of a client of Coassemble.
func (s *Source) UpdateEmbedClient(ctx context.Context, key string, metadata json.RawMessage) error {
	return s.write(ctx, upstream.Coassemble, func(ctx context.Context, s *Source) { s.embedClients.items.Drop(ctx, key) },
		func() error { return s.Coassemble.UpdateClient(ctx, key, metadata) })
}

// DeleteEmbedClient deletes all objects of a client.
func (s *Source) DeleteEmbedClient(ctx context.Context, key string) error {
	return s.write(ctx, upstream.Coassemble, func(ctx context.Context, s *Source) { s.InvalidateEmbedClient(ctx, key) },
		func() error { return s.Coassemble.DeleteClient(ctx, key) })
}

// UpdateUser changes a user.
func (s *Source) UpdateUser(ctx context.Context, key string, update coassemble.UserUpdate) error {
	return s.write(ctx, upstream.Coassemble,
		func(ctx context.Context, s *Source) { s.invalidateUserUpdate(ctx, key, update) },
		func() error { return s.Coassemble.UpdateUser(ctx, key, update) })
}

// DeleteUser deletes a user. action decides about the user's courses, heir is the user that gets them.
func (s *Source) DeleteUser(ctx context.Context, key, action, heir string) error {
	return s.write(ctx, upstream.Coassemble, func(ctx context.Context, s *Source) { s.InvalidateUser(ctx, key) },
		func() error { return s.Coassemble.DeleteUser(ctx, key, action, heir) })
}

// UpdateIdentity changes an identity.
func (s *Source) UpdateIdentity(ctx context.Context, key string, update mattr.Update) error {
	return s.write(ctx, upstream.MATTR,
		func(ctx context.Context, s *Source) { s.invalidateIdentityUpdate(ctx, key, update) },
		func() error { return s.MATTR.UpdateIdentity(ctx, key, update) })
}

// DeleteIdentity deletes an identity.
func (s *Source) DeleteIdentity(ctx context.Context, key string) error {
	return s.write(ctx, upstream.MATTR, func(ctx context.Context, s *Source) { s.InvalidateIdentity(ctx, key) },
		func() error { return s.MATTR.DeleteIdentity(ctx, key) })
}

// invalidation drops the values that a write may have changed, in every replica.
type invalidation func(ctx context.Context, s *Source)

// write writes to a backend, invalidates after that, and returns the outcome of the write. A write that failed may have
// happened, unless it certainly never left; then everything stays, since cached values are worth most while a backend
// cannot be reached.
func (s *Source) write(ctx context.Context, b upstream.Backend, invalidate invalidation, write func() error) error {
	if err := s.Configured(b); err != nil {
		return err
	}
	err := write()
	if wasNotSent(err) {
		return err
	}
	for _, source := range []*Source{s, s.Secondary} {
		if source != nil {
			invalidate(context.WithoutCancel(ctx), source)
		}
	}
	From(ctx).reset()
	return err
}

// wasNotSent reports whether a call failed before anything of it was sent.
func wasNotSent(err error) bool {
	var e *upstream.Error
	return errors.As(err, &e) && (e.Local || e.Kind == upstream.Unavailable && e.Status == 0)
}

// HoldsClient reports whether something is cached of a client.
func (s *Source) HoldsClient(ctx context.Context, key string) bool {
	return s.clients.items.Contains(ctx, key)
}

// HoldsEmbedClient reports whether something is cached of an embed client.
func (s *Source) HoldsEmbedClient(ctx context.Context, key string) bool {
	return s.embedClients.items.Contains(ctx, key)
}

// HoldsUser reports whether something is cached of a user.
func (s *Source) HoldsUser(ctx context.Context, key string) bool {
	return s.users.items.Contains(ctx, key)
}

// HoldsIdentity reports whether something is cached of an identity.
func (s *Source) HoldsIdentity(ctx context.Context, key string) bool {
	return s.identities.items.Contains(ctx, key)
}

// InvalidateClient drops a client of Thought Industries and all lists of clients.
func (s *Source) InvalidateClient(ctx context.Context, key string) {
	s.clients.items.Drop(ctx, key)
	s.clients.index.Drop(ctx, scanKey)
	s.Cache.DropTags(ctx, s.clients.list)
}

// InvalidateEmbedClient drops a client of Coassemble with its users: deleting it deletes all its objects.
func (s *Source) InvalidateEmbedClient(ctx context.Context, key string) {
	s.embedClients.items.Drop(ctx, key)
	s.Cache.DropTags(ctx, s.embedClients.list, s.users.list, s.usersOf(key))
}

// InvalidateUser drops a user, the lists of users and every embed client, which counts its users.
func (s *Source) InvalidateUser(ctx context.Context, key string) {
	s.users.items.Drop(ctx, key)
	s.Cache.DropTags(ctx, s.users.list, s.embedClients.list)
}

// InvalidateUserRecord drops a user whose own members alone may have changed.
func (s *Source) InvalidateUserRecord(ctx context.Context, key string) { s.users.items.Drop(ctx, key) }

// invalidateUserUpdate drops as much as InvalidateUser where the user moves: two embed clients count their users anew,
// and one may have come to exist.
func (s *Source) invalidateUserUpdate(ctx context.Context, key string, update coassemble.UserUpdate) {
	if update.ClientIdentifier == nil {
		s.InvalidateUserRecord(ctx, key)
		return
	}
	s.InvalidateUser(ctx, key)
	s.embedClients.items.Drop(ctx, *update.ClientIdentifier)
}

// InvalidateCredentials drops the credentials of an identity.
func (s *Source) InvalidateCredentials(ctx context.Context, key string) {
	s.Cache.DropTags(ctx, s.credentialsTag(key))
}

// InvalidateIdentity drops an identity on every route, its credentials and its join with a user.
func (s *Source) InvalidateIdentity(ctx context.Context, key string) {
	s.invalidateIdentityUpdate(ctx, key, mattr.Update{})
}

// invalidateIdentityUpdate also drops the cached identity of another user to whom the update links it.
func (s *Source) invalidateIdentityUpdate(ctx context.Context, key string, update mattr.Update) {
	s.identities.items.Drop(ctx, key)
	s.Cache.DropTags(ctx, s.identityTag(key), s.identities.list)
	s.identities.index.Drop(ctx, scanKey)
	if user, _ := s.Link.NewUser(update); user != "" {
		s.identities.byUser.Drop(ctx, user)
	}
}
