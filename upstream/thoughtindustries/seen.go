package thoughtindustries

import "github.com/learngraph/learngraph/document"

// Seen is every client that the lookup has seen so far, each once, and whether those are all that there are.
func (l *Lookup) Seen() (clients []*document.Document, all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	listed := map[*document.Document]bool{}
	for _, s := range l.seen {
		if !s.ambiguous && !listed[s.client] {
			listed[s.client] = true
			clients = append(clients, s.client)
		}
	}
	return clients, l.done
}

// KeyOf is the client's value of a key's field, "" if it shows none.
func (c *Client) KeyOf(d *document.Document, field string) string { return c.key(d, field) }
