package config

// Link names the fields that join the backends.
type Link struct {
	// Client is the client's field that is Coassemble's clientIdentifier: id, slug or sku.
	Client string
	// User is where an identity carries the user's identifier: subjectId, id or claims.KEY.
	User string
	// UserProvider is the providerId that a subjectId belongs to; empty for any.
	UserProvider string
}
