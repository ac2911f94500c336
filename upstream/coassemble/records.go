package coassemble

import (
	"bytes"
	"encoding/json"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/upstream"
)

// The members of a client's record, in the order of clientShape.
const (
	clientClientIdentifier = iota
	clientIdentifier
	clientMetadata
	clientUserCount
	clientCreated
	clientCreatedAt
	clientUpdated
	clientUpdatedAt
)

var clientShape = &document.Shape{Name: "EmbedClient", Members: []document.Member{
	{Name: "clientIdentifier"}, {Name: "identifier"}, {Name: "metadata", JSON: true}, {Name: "userCount"},
	{Name: "created"}, {Name: "createdAt"}, {Name: "updated"}, {Name: "updatedAt"},
}}

// The members of a user's record, in the order of userShape.
const (
	userIdentifier = iota
	userClientIdentifier
	userName
	userAvatar
	userMetadata
	userTestMode
	userCreated
	userCreatedAt
	userUpdated
	userUpdatedAt
)

var userShape = &document.Shape{Name: "User", Members: []document.Member{
	{Name: "identifier"}, {Name: "clientIdentifier"}, {Name: "name"}, {Name: "avatar"}, {Name: "metadata", JSON: true},
	{Name: "testMode"}, {Name: "created"}, {Name: "createdAt"}, {Name: "updated"}, {Name: "updatedAt"},
}}

// Shapes are the members that are read of each record.
var Shapes = struct{ EmbedClient, User *document.Shape }{clientShape, userShape}

// EmbedClient is a client as Coassemble shows it. What a record does not have is nil; a value of another kind than
// promised is a *document.Mismatch of its accessor alone. Its JSON form holds all that the accessors show.
type EmbedClient struct {
	// Identifier is the customer's own key, "" if the record shows none.
	Identifier string
	// Bare is set if the list showed nothing but the identifier.
	Bare bool
	record
}

// Metadata is whatever JSON was put on the client.
func (c *EmbedClient) Metadata() (json.RawMessage, error) { return c.raw(clientMetadata) }

// UserCount is how many users belong to the client.
func (c *EmbedClient) UserCount() (*int, error) {
	return optional(c.member(clientUserCount), document.Value.Int)
}

// Created is when the client came to exist: a text as sent, or the digits of a number.
func (c *EmbedClient) Created() (*string, error) { return c.moment(clientCreated, clientCreatedAt) }

// Updated is when the client was last changed, in the form of Created.
func (c *EmbedClient) Updated() (*string, error) { return c.moment(clientUpdated, clientUpdatedAt) }

// MarshalJSON writes the record without the members that are not known here.
func (c *EmbedClient) MarshalJSON() ([]byte, error) { return c.marshal(c.Identifier, c.Bare) }

// UnmarshalJSON reads a record, or the plain identifier that a list may show instead.
func (c *EmbedClient) UnmarshalJSON(data []byte) error {
	e, err := parse(data, clientShape)
	if err == nil {
		*c = *newClient(e)
	}
	return err
}

// User is a user as Coassemble shows it, in the same manner as EmbedClient.
type User struct {
	// Identifier is the customer's own key, "" if the record shows none.
	Identifier string
	// Bare is set if the list showed nothing but the identifier.
	Bare bool
	record
}

// ClientIdentifier is the key of the client that the user belongs to.
func (u *User) ClientIdentifier() (*string, error) {
	return optional(u.member(userClientIdentifier), document.Value.ID)
}

// Name is the display name.
func (u *User) Name() (*string, error) { return u.text(userName) }

// Avatar is the URL of a picture.
func (u *User) Avatar() (*string, error) { return u.text(userAvatar) }

// Metadata is whatever JSON was put on the user.
func (u *User) Metadata() (json.RawMessage, error) { return u.raw(userMetadata) }

// TestMode says whether the user was made while testing.
func (u *User) TestMode() (*bool, error) {
	return optional(u.member(userTestMode), document.Value.Boolean)
}

// Created is when the user came to exist: a text as sent, or the digits of a number.
func (u *User) Created() (*string, error) { return u.moment(userCreated, userCreatedAt) }

// Updated is when the user was last changed, in the form of Created.
func (u *User) Updated() (*string, error) { return u.moment(userUpdated, userUpdatedAt) }

// MarshalJSON writes the record without the members that are not known here.
func (u *User) MarshalJSON() ([]byte, error) { return u.marshal(u.Identifier, u.Bare) }

// UnmarshalJSON reads a record, or the plain identifier that a list may show instead.
func (u *User) UnmarshalJSON(data []byte) error {
	e, err := parse(data, userShape)
	if err == nil {
		*u = *newUser(e)
	}
	return err
}

func newClient(e element) *EmbedClient {
	c := &EmbedClient{Identifier: e.plain, Bare: e.plain != "", record: e.record}
	if !c.Bare {
		// A client's record calls its own key either way.
		if c.Identifier = c.key(clientClientIdentifier); c.Identifier == "" {
			c.Identifier = c.key(clientIdentifier)
		}
	}
	return c
}

func newUser(e element) *User {
	u := &User{Identifier: e.plain, Bare: e.plain != "", record: e.record}
	if !u.Bare {
		u.Identifier = u.key(userIdentifier)
	}
	return u
}

// element is one entry of a list: a record, a plain identifier, or, with neither, something else.
type element struct {
	plain string
	record
}

func parse(data []byte, shape *document.Shape) (element, error) {
	r := document.NewReader(data, document.Limits{})
	e, err := readElement(r, shape)
	if err != nil {
		return element{}, err
	}
	return e, r.End()
}

func readElement(r *document.Reader, shape *document.Shape) (e element, err error) {
	switch r.Kind() {
	case document.KindObject:
		e.doc, err = r.Document(shape)
	case document.KindString:
		err = r.Decode(&e.plain)
	default:
		err = r.Skip()
	}
	return e, err
}

// record reads leaves from a document; without one everything is null.
type record struct{ doc *document.Document }

func (r record) member(i int) document.Value {
	if r.doc == nil {
		return document.Value{}
	}
	return r.doc.Root().Member(i)
}

func (r record) key(i int) string {
	id, err := r.member(i).ID()
	if err != nil {
		return ""
	}
	return id
}

func (r record) text(i int) (*string, error) {
	return optional(r.member(i), document.Value.Text)
}

func (r record) raw(i int) (json.RawMessage, error) {
	v := r.member(i)
	if v.Kind() == document.KindNull {
		return nil, nil
	}
	raw, err := v.JSON()
	return raw, mismatch(err)
}

// moment is the first of two members that is not null.
func (r record) moment(i, otherwise int) (*string, error) {
	v := r.member(i)
	if v.Kind() == document.KindNull {
		v = r.member(otherwise)
	}
	if v.Kind() == document.KindNumber {
		digits := string(v.Raw())
		return &digits, nil
	}
	return optional(v, document.Value.Text)
}

func (r record) marshal(identifier string, bare bool) ([]byte, error) {
	switch {
	case bare:
		return json.Marshal(identifier)
	case r.doc == nil:
		return []byte("{}"), nil
	}
	return bytes.Clone(r.doc.JSON()), nil
}

// optional reads a leaf that may be null.
func optional[T any](v document.Value, read func(document.Value) (T, error)) (*T, error) {
	t, err := document.Optional(v, read)
	return t, mismatch(err)
}

// mismatch says whose value is of another kind than promised.
func mismatch(err error) error {
	if err == nil {
		return nil
	}
	return &upstream.Error{Backend: upstream.Coassemble, Kind: upstream.Mismatch, Err: err}
}
