package config

import (
	"errors"
	"slices"
	"strings"
)

// Link says which fields join the backends.
type Link struct {
	// Client is the client's field that is Coassemble's clientIdentifier: id, slug or sku.
	Client string
	// User is where an identity carries the user's identifier: subjectId, id or claims.KEY.
	User string
	// UserProvider is the providerId that a subjectId belongs to; empty for any.
	UserProvider string
}

// validate names the setting that is wrong.
func (l Link) validate() error {
	if !slices.Contains([]string{"id", "slug", "sku"}, l.Client) {
		return errors.New("LINK_CLIENT must be id, slug or sku")
	}
	claim, isClaim := strings.CutPrefix(l.User, "claims.")
	if l.User != "subjectId" && l.User != "id" && !(isClaim && claim != "") {
		return errors.New("LINK_USER must be subjectId, id or claims.KEY")
	}
	return nil
}
