// Command go-client lists clients with their seats and licenses, and the users of each, by typed operations.
package main

//go:generate go tool genqlient

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"time"

	"github.com/Khan/genqlient/graphql"
	"github.com/learngraph/learngraph/examples/go-client/learngraph"
	"github.com/learngraph/learngraph/examples/go-client/scalar"
)

const pageSize = 10

func main() {
	url := flag.String("url", cmp.Or(os.Getenv("LEARNGRAPH_URL"), "http://127.0.0.1:8080/graphql"), "address of the API")
	query := flag.String("query", "", "text to search clients for")
	flag.Parse()
	client := newClient(*url, os.Getenv("LEARNGRAPH_API_KEY"))
	if err := report(context.Background(), os.Stdout, client, *query); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// newClient returns a client for the API; the key may be empty.
func newClient(url, key string) graphql.Client {
	return graphql.NewClient(url, &http.Client{Timeout: 30 * time.Second, Transport: withKey(key)})
}

// withKey is a transport that sends an API key where there is one.
type withKey string

// RoundTrip sends a request.
func (key withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	if key != "" {
		r = r.Clone(r.Context())
		r.Header.Set("X-API-Key", string(key))
	}
	return http.DefaultTransport.RoundTrip(r)
}

func report(ctx context.Context, out io.Writer, client graphql.Client, query string) error {
	for c, err := range clients(ctx, client, query) {
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %d of %d seats, %s\n", or(c.Name, "unnamed"), or(c.SeatsUsedCount, 0), or(c.SeatsLimit, 0),
			license(c.LicenseEndDate))
		for u, err := range users(ctx, client, c.Id) {
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "  %s, %s\n", or(u.Name, "unnamed"), department(u.Metadata))
		}
	}
	return nil
}

// clients reads page after page of a search, each when the one before it is used up.
func clients(ctx context.Context, client graphql.Client, query string) iter.Seq2[*learngraph.Client, error] {
	return pages(func(after *string) ([]*learngraph.Client, *string, error) {
		answer, err := learngraph.Clients(ctx, client, pageSize, after, &query)
		if err != nil {
			return nil, nil, err
		}
		page := answer.Clients
		return page.Nodes, next(page.PageInfo.HasNextPage, page.PageInfo.EndCursor), nil
	})
}

// users reads the users of a client, page after page.
func users(ctx context.Context, client graphql.Client, id string) iter.Seq2[*learngraph.User, error] {
	return pages(func(after *string) ([]*learngraph.User, *string, error) {
		answer, err := learngraph.Users(ctx, client, id, pageSize, after)
		if err != nil || answer.Client == nil {
			return nil, nil, err
		}
		page := answer.Client.Users
		return page.Nodes, next(page.PageInfo.HasNextPage, page.PageInfo.EndCursor), nil
	})
}

// pages walks a connection: read returns a page and the cursor of the next one, nil after the last. An element that
// could not be read is null, with an error that genqlient returns before.
func pages[T any](read func(after *string) ([]*T, *string, error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		var after *string
		for {
			nodes, following, err := read(after)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, n := range nodes {
				if n != nil && !yield(n, nil) {
					return
				}
			}
			if following == nil {
				return
			}
			after = following
		}
	}
}

func next(more bool, cursor *string) *string {
	if more {
		return cursor
	}
	return nil
}

// renameUser changes the name of a user. Mistakes in the input come back as user errors.
func renameUser(ctx context.Context, client graphql.Client, u *learngraph.User,
	name string) ([]learngraph.UserError, error) {
	// The backend may replace the metadata or merge it: all of it is sent.
	whole := members(u.Metadata)
	whole["name"] = name
	text, err := json.Marshal(whole)
	if err != nil {
		return nil, err
	}
	metadata := json.RawMessage(text)
	answer, err := learngraph.UpdateUser(ctx, client,
		learngraph.UpdateUserInput{By: learngraph.UserBy{Id: &u.Id}, Metadata: &metadata})
	if err != nil {
		return nil, err
	}
	return answer.UpdateUser.UserErrors, nil
}

// members returns those of a JSON object, none where the value is no object. The customer chooses the keys.
func members(value *json.RawMessage) map[string]any {
	m := map[string]any{}
	if value != nil {
		_ = json.Unmarshal(*value, &m) // a value that is no object has no members
	}
	return m
}

func license(end *scalar.Date) string {
	if end == nil {
		return "no end of license"
	}
	t, err := end.Time()
	if err != nil {
		return "license until " + string(*end)
	}
	return t.Format("license until 2 January 2006")
}

func department(metadata *json.RawMessage) string {
	if d, ok := members(metadata)["department"].(string); ok {
		return d
	}
	return "no department"
}

// or returns the value of a nullable field, and fallback for null.
func or[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}
