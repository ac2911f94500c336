package resolvers

import (
	"context"

	"github.com/learngraph/learngraph/datasource"
	"github.com/learngraph/learngraph/graph/model"
	"github.com/learngraph/learngraph/graph/scalar"
	"github.com/learngraph/learngraph/upstream"
	"github.com/learngraph/learngraph/upstream/coassemble"
	"github.com/learngraph/learngraph/upstream/mattr"
)

// UpdateEmbedClient replaces a client's metadata.
func (r mutationResolver) UpdateEmbedClient(ctx context.Context,
	input model.UpdateEmbedClientInput) (*model.UpdateEmbedClientPayload, error) {
	payload := &model.UpdateEmbedClientPayload{}
	key, err := keyBy(scalar.EmbedClientNode, input.By.ID, input.By.SourceID)
	if err == nil {
		_, err = jsonObject(input.Metadata, "metadata")
	}
	if err == nil {
		err = r.ownsEmbedClient(ctx, key)
	}
	if err == nil {
		err = r.Source.UpdateEmbedClient(ctx, key, input.Metadata)
	}
	if err == nil && selects(ctx, "UpdateEmbedClientPayload", "embedClient") {
		payload.EmbedClient = reread(ctx, datasource.From(ctx).EmbedClients(), key, "embedClient")
	}
	return withUserErrors(payload, &payload.UserErrors, err)
}

// DeleteEmbedClient deletes all objects of a client.
func (r mutationResolver) DeleteEmbedClient(ctx context.Context,
	input model.DeleteEmbedClientInput) (*model.DeleteEmbedClientPayload, error) {
	if err := r.checkDeletes(); err != nil {
		return nil, err
	}
	payload := &model.DeleteEmbedClientPayload{}
	key, err := keyBy(scalar.EmbedClientNode, input.By.ID, input.By.SourceID)
	if err == nil && input.Confirm != key {
		err = scalar.Input("must repeat the client's sourceId", "confirm")
	}
	if err == nil {
		err = r.ownsEmbedClient(ctx, key)
	}
	if err == nil {
		err = r.Source.DeleteEmbedClient(ctx, key)
	}
	payload.DeletedID = deletedID(scalar.EmbedClientNode, key, err)
	return withUserErrors(payload, &payload.UserErrors, err)
}

// UpdateUser changes a user of Coassemble.
func (r mutationResolver) UpdateUser(ctx context.Context,
	input model.UpdateUserInput) (*model.UpdateUserPayload, error) {
	payload := &model.UpdateUserPayload{}
	key, err := keyBy(scalar.UserNode, input.By.ID, input.By.SourceID)
	var update coassemble.UserUpdate
	if err == nil {
		update, err = userUpdate(input)
	}
	if err == nil {
		err = r.ownsUser(ctx, key)
	}
	if err == nil && update.ClientIdentifier != nil && !canSeeClientKey(ctx, *update.ClientIdentifier) {
		err = scalar.Input("must name a client that you may change", "clientIdentifier")
	}
	if err == nil {
		err = r.Source.UpdateUser(ctx, key, update)
	}
	if err == nil && selects(ctx, "UpdateUserPayload", "user") {
		if u := reread(ctx, datasource.From(ctx).Users(), key, "user"); canSeeUser(ctx, u) {
			payload.User = u
		}
	}
	return withUserErrors(payload, &payload.UserErrors, err)
}

// userUpdate takes the members that are present, and no others.
func userUpdate(input model.UpdateUserInput) (update coassemble.UserUpdate, err error) {
	if update.ClientIdentifier, err = notNull(input.ClientIdentifier, "clientIdentifier"); err != nil {
		return update, err
	}
	if update.ClientIdentifier != nil {
		if err := checkIdentifier(*update.ClientIdentifier, "clientIdentifier"); err != nil {
			return update, err
		}
	}
	if update.Name, err = notNull(input.Name, "name"); err != nil {
		return update, err
	}
	if update.Avatar, err = notNull(input.Avatar, "avatar"); err != nil {
		return update, err
	}
	if input.Metadata.IsSet() {
		if update.Metadata, err = jsonObject(input.Metadata.Value(), "metadata"); err != nil {
			return update, err
		}
	}
	if update.ClientIdentifier == nil && update.Name == nil && update.Avatar == nil && update.Metadata == nil {
		return update, scalar.Input("must have at least one of clientIdentifier, metadata, name and avatar", "input")
	}
	return update, nil
}

// DeleteUser deletes a user of Coassemble.
func (r mutationResolver) DeleteUser(ctx context.Context,
	input model.DeleteUserInput) (*model.DeleteUserPayload, error) {
	if err := r.checkDeletes(); err != nil {
		return nil, err
	}
	payload := &model.DeleteUserPayload{}
	key, err := keyBy(scalar.UserNode, input.By.ID, input.By.SourceID)
	var heir string
	if err == nil {
		heir, err = reallocateTo(input)
	}
	if err == nil && heir != "" {
		err = r.ownsHeir(ctx, heir)
	}
	if err == nil {
		err = r.ownsUser(ctx, key)
	}
	if err == nil {
		err = r.Source.DeleteUser(ctx, key, string(input.Action), heir)
	}
	payload.DeletedID = deletedID(scalar.UserNode, key, err)
	if heir != "" && upstream.KindOf(err) == upstream.NotFound {
		// The backend answers alike for either.
		payload.UserErrors = []*model.UserError{{Code: "NOT_FOUND",
			Message: "the record of by or of reallocateTo does not exist", Path: inputPath()}}
		return payload, nil
	}
	return withUserErrors(payload, &payload.UserErrors, err)
}

// ownsHeir refuses a user whom the caller does not see like one who does not exist.
func (r mutationResolver) ownsHeir(ctx context.Context, heir string) error {
	err := r.ownsUser(ctx, heir)
	if upstream.KindOf(err) == upstream.NotFound {
		return scalar.Input("must name a user that exists", "reallocateTo")
	}
	return err
}

// reallocateTo is who gets the user's courses, which is needed exactly where they are reallocated.
func reallocateTo(input model.DeleteUserInput) (string, error) {
	heir, err := notNull(input.ReallocateTo, "reallocateTo")
	if err != nil {
		return "", err
	}
	reallocate := input.Action == model.UserCoursesActionReallocate
	switch {
	case reallocate && heir == nil:
		return "", scalar.Input("is required with action reallocate", "reallocateTo")
	case !reallocate && heir != nil:
		return "", scalar.Input("must be omitted unless action is reallocate", "reallocateTo")
	case heir == nil:
		return "", nil
	}
	return *heir, checkIdentifier(*heir, "reallocateTo")
}

// UpdateIdentity changes an identity at MATTR.
func (r mutationResolver) UpdateIdentity(ctx context.Context,
	input model.UpdateIdentityInput) (*model.UpdateIdentityPayload, error) {
	payload := &model.UpdateIdentityPayload{}
	key, err := keyBy(scalar.IdentityNode, input.By.ID, input.By.SourceID)
	var update mattr.Update
	if err == nil {
		update, err = identityUpdate(input)
	}
	if err == nil {
		err = r.ownsIdentity(ctx, key)
	}
	if err == nil {
		err = r.checkOwner(ctx, update)
	}
	if err == nil {
		err = r.Source.UpdateIdentity(ctx, key, update)
	}
	// Not from the answer: whether omitted members survive, and with them the join, is known when the record is read
	// again.
	if err == nil && selects(ctx, "UpdateIdentityPayload", "identity") {
		payload.Identity = r.visibleIdentity(ctx, reread(ctx, datasource.From(ctx).Identities(), key, "identity"))
	}
	return withUserErrors(payload, &payload.UserErrors, err)
}

// visibleIdentity returns the identity of a payload where the caller sees it.
func (r mutationResolver) visibleIdentity(ctx context.Context, i *mattr.Identity) *mattr.Identity {
	seen, err := r.canSeeIdentity(ctx, i)
	addFieldError(ctx, "identity", err)
	if !seen || err != nil {
		return nil
	}
	return i
}

func identityUpdate(input model.UpdateIdentityInput) (update mattr.Update, err error) {
	if update.Claims, err = jsonObject(input.Claims, "claims"); err != nil {
		return update, err
	}
	if input.AuthenticationProvider.IsSet() {
		update.Provider, err = authenticationProvider(input.AuthenticationProvider.Value(), "authenticationProvider")
	}
	return update, err
}

// DeleteIdentity deletes an identity of MATTR.
func (r mutationResolver) DeleteIdentity(ctx context.Context,
	input model.DeleteIdentityInput) (*model.DeleteIdentityPayload, error) {
	if err := r.checkDeletes(); err != nil {
		return nil, err
	}
	payload := &model.DeleteIdentityPayload{}
	key, err := keyBy(scalar.IdentityNode, input.By.ID, input.By.SourceID)
	if err == nil {
		err = r.ownsIdentity(ctx, key)
	}
	if err == nil {
		err = r.Source.DeleteIdentity(ctx, key)
	}
	payload.DeletedID = deletedID(scalar.IdentityNode, key, err)
	return withUserErrors(payload, &payload.UserErrors, err)
}

func (r mutationResolver) checkDeletes() error {
	if r.AllowDeletes {
		return nil
	}
	return &scalar.ForbiddenError{Message: "deletes are disabled on this server (ALLOW_DELETES)"}
}
