// Package stock is the server that a team writes first: gqlgen as it is, a resolver per field that calls the backend
// with net/http, and structs of the wanted members for encoding/json. The measurements compare with it.
package stock

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/99designs/gqlgen/graphql"
)

//go:generate go run ../../graph/gen gqlgen.yml

// Credentials are the values of the Authorization header that the backends accept, except for the MATTR client's.
type Credentials struct {
	ThoughtIndustries, Coassemble, ClientID, ClientSecret, Audience string
}

// Resolver is the root of the resolvers.
type Resolver struct {
	base        string
	credentials Credentials
	token       string
	client      http.Client
}

// New returns resolvers over the backends at base, and reads the token of MATTR, which is valid for longer than a
// measurement takes.
func New(base string, c Credentials) (*Resolver, error) {
	r := &Resolver{base: base, credentials: c, client: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	body := map[string]string{"grant_type": "client_credentials", "client_id": c.ClientID, "client_secret": c.ClientSecret,
		"audience": c.Audience}
	err := r.call(context.Background(), http.MethodPost, "/oauth/token", "", body, &token)
	r.token = "Bearer " + token.AccessToken
	return r, err
}

// TwoCalls reads a user and searches the identity, and decodes neither.
func (r *Resolver) TwoCalls(ctx context.Context, identifier string) error {
	user, err := r.read(ctx, http.MethodGet, userPath(identifier), r.credentials.Coassemble, nil)
	if err != nil || len(user) == 0 {
		return err
	}
	_, err = r.read(ctx, http.MethodPost, searchPath, r.token,
		[]byte(`{"authenticationProvider":{"subjectId":"`+identifier+`"},"limit":2}`))
	return err
}

const searchPath = "/core/v1/users/search"

func userPath(identifier string) string { return "/api/v1/headless/user/" + url.PathEscape(identifier) }

func (r *Resolver) call(ctx context.Context, method, path, authorization string, body, into any) error {
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return err
		}
	}
	text, err := r.read(ctx, method, path, authorization, sent)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (r *Resolver) read(ctx context.Context, method, path, authorization string, body []byte) ([]byte, error) {
	var sent io.Reader
	if body != nil {
		sent = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, sent)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", authorization)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", path, resp.StatusCode)
	}
	return text, nil
}

// Client is a client of Thought Industries.
type Client struct {
	ID      string    `json:"id"`
	Name    *string   `json:"name"`
	Slug    *string   `json:"slug"`
	Courses []*Course `json:"courses"`
}

// Course is a course of a client.
type Course struct {
	SourceID     *string `json:"id"`
	Title        *string `json:"title"`
	Status       *string `json:"status"`
	PriceInCents *int    `json:"priceInCents"`
	Description  *string `json:"description"`
}

// User is a user of Coassemble.
type User struct {
	Identifier string  `json:"identifier"`
	Name       *string `json:"name"`
}

// Identity is a user of MATTR.
type Identity struct {
	SourceID string `json:"id"`
	Claims   JSON   `json:"claims"`
}

// Credential is one that was issued to an identity.
type Credential struct {
	Type *string `json:"type"`
}

// The connections hold one page.
type (
	// ClientConnection has clients.
	ClientConnection struct{ Nodes []*Client }
	// UserConnection has users.
	UserConnection struct{ Nodes []*User }
	// CredentialConnection has credentials.
	CredentialConnection struct {
		Nodes []*Credential `json:"data"`
	}
	// CourseConnection has courses.
	CourseConnection struct {
		TotalCount int
		Nodes      []*Course
	}
	// UserBy is the key of a user.
	UserBy struct{ SourceID string }
)

// JSON is a value of any shape.
type JSON map[string]any

// MarshalGQL writes the value.
func (j JSON) MarshalGQL(w io.Writer) { _ = json.NewEncoder(w).Encode(map[string]any(j)) }

// UnmarshalGQL accepts an object.
func (j *JSON) UnmarshalGQL(v any) error {
	object, ok := v.(map[string]any)
	if !ok {
		return errors.New("not an object")
	}
	*j = object
	return nil
}

type (
	queryResolver    struct{ *Resolver }
	clientResolver   struct{ *Resolver }
	userResolver     struct{ *Resolver }
	identityResolver struct{ *Resolver }
)

// Query answers the root fields.
func (r *Resolver) Query() QueryResolver { return queryResolver{r} }

// Client answers the fields of a client that its struct does not have.
func (r *Resolver) Client() ClientResolver { return clientResolver{r} }

// User answers the fields of a user that its struct does not have.
func (r *Resolver) User() UserResolver { return userResolver{r} }

// Identity answers the fields of an identity that its struct does not have.
func (r *Resolver) Identity() IdentityResolver { return identityResolver{r} }

func (r queryResolver) Clients(ctx context.Context, first *int) (*ClientConnection, error) {
	var page struct {
		Data struct{ Clients struct{ Clients []*Client } }
	}
	err := r.call(ctx, http.MethodGet, fmt.Sprint("/incoming/v2/clients?page=1&count=", *first),
		"Bearer "+r.credentials.ThoughtIndustries, nil, &page)
	return &ClientConnection{page.Data.Clients.Clients}, err
}

func (r queryResolver) User(ctx context.Context, by UserBy) (*User, error) {
	var user *User
	err := r.call(ctx, http.MethodGet, userPath(by.SourceID), r.credentials.Coassemble, nil, &user)
	return user, err
}

func (r clientResolver) Courses(_ context.Context, c *Client, first *int) (*CourseConnection, error) {
	return &CourseConnection{len(c.Courses), c.Courses[:min(*first, len(c.Courses))]}, nil
}

func (r clientResolver) Users(ctx context.Context, c *Client, first *int) (*UserConnection, error) {
	var users []*User
	query := url.Values{"clientIdentifier": {c.ID}, "page": {"0"}, "length": {fmt.Sprint(*first)}}
	err := r.call(ctx, http.MethodGet, "/api/v1/headless/users?"+query.Encode(), r.credentials.Coassemble, nil, &users)
	return &UserConnection{users}, err
}

func (r userResolver) Identity(ctx context.Context, u *User) (*Identity, error) {
	type provider struct {
		SubjectID string `json:"subjectId"`
	}
	criteria := struct {
		Provider provider `json:"authenticationProvider"`
		Limit    int      `json:"limit"`
	}{provider{u.Identifier}, 2}
	var page struct{ Data []*Identity }
	if err := r.call(ctx, http.MethodPost, searchPath, r.token, criteria, &page); err != nil || len(page.Data) == 0 {
		return nil, err
	}
	return page.Data[0], nil
}

func (r identityResolver) Credentials(ctx context.Context, i *Identity, first *int) (*CredentialConnection, error) {
	page := new(CredentialConnection)
	path := fmt.Sprintf("/core/v1/users/%s/credentials?limit=%d", url.PathEscape(i.SourceID), *first)
	err := r.call(ctx, http.MethodGet, path, r.token, nil, page)
	return page, err
}

// NewServer returns the executable schema over the resolvers.
func NewServer(r *Resolver) graphql.ExecutableSchema {
	return NewExecutableSchema(Config{Resolvers: r})
}
