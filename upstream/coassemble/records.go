package coassemble

import (
	"encoding/json"

	"github.com/learngraph/learngraph/document"
	"github.com/learngraph/learngraph/footprint"
	"github.com/learngraph/learngraph/upstream"
)

// EmbedClient is a client as Coassemble shows it. A missing member of a record is nil; a value of another kind than
// promised is an error of its accessor alone. Its JSON form holds all that the accessors show.
type EmbedClient struct {
	// Identifier is the customer's own key, "" if the record shows none.
	Identifier string
	// Bare is set if the list showed nothing but the identifier.
	Bare bool
	upstream.Record
}

// MarshalJSON writes the record without undeclared members.
func (c *EmbedClient) MarshalJSON() ([]byte, error) {
	return element{c.Identifier, c.Bare, c.Record}.marshal()
}

// UnmarshalJSON reads a record, or the plain identifier that a list may show instead.
func (c *EmbedClient) UnmarshalJSON(data []byte) error {
	return unmarshal(data, embedClientShape, func(e element) { *c = *newClient(e) })
}

// Size returns the memory that the record takes, in bytes.
func (c *EmbedClient) Size() int {
	return footprint.Of[EmbedClient]() + footprint.Text(c.Identifier) + c.Record.Size()
}

// User is a user as Coassemble shows it, in the same manner as EmbedClient.
type User struct {
	// Identifier is the customer's own key, "" if the record shows none.
	Identifier string
	// Bare is set if the list showed nothing but the identifier.
	Bare bool
	upstream.Record
}

// MarshalJSON writes the record without undeclared members.
func (u *User) MarshalJSON() ([]byte, error) {
	return element{u.Identifier, u.Bare, u.Record}.marshal()
}

// UnmarshalJSON reads a record, or the plain identifier that a list may show instead.
func (u *User) UnmarshalJSON(data []byte) error {
	return unmarshal(data, userShape, func(e element) { *u = *newUser(e) })
}

// Size returns the memory that the record takes, in bytes.
func (u *User) Size() int {
	return footprint.Of[User]() + footprint.Text(u.Identifier) + u.Record.Size()
}

// element is one entry of a list: a record, or a plain identifier alone.
type element struct {
	identifier string
	bare       bool
	upstream.Record
}

func newClient(e element) *EmbedClient {
	return &EmbedClient{e.key(embedClientKeys...), e.bare, e.Record}
}

func newUser(e element) *User { return &User{e.key(userKeys...), e.bare, e.Record} }

func (e element) key(members ...int) string {
	if e.bare {
		return e.identifier
	}
	return e.Record.Key(members...)
}

func (e element) marshal() ([]byte, error) {
	if e.bare {
		return json.Marshal(e.identifier)
	}
	return e.Record.JSON(), nil
}

func unmarshal(data []byte, shape *document.Shape, use func(element)) error {
	r := document.NewReader(data)
	e, err := readElement(r, shape)
	if err == nil {
		err = r.End()
	}
	if err == nil {
		use(e)
	}
	return err
}

func readElement(r *document.Reader, shape *document.Shape) (e element, err error) {
	if r.Kind() == document.KindString {
		err = r.Decode(&e.identifier)
		e.bare = e.identifier != ""
		return e, err
	}
	e.Record, err = upstream.ReadRecord(r, shape)
	return e, err
}
