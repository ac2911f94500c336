package emulator

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// fill makes the catalogue: clients, then users and identities that link to them.
func (e *Emulator) fill() {
	o := e.options
	tags := sharedTags(o.Seed)
	e.users = map[string][]UserRef{}
	e.co.client, e.co.user = map[string]*embedClient{}, map[string]*embedUser{}
	e.mattr.identity, e.mattr.credentials = map[string]*identity{}, map[string][]credential{}
	e.mattr.tokens = map[string]token{}
	var scratch []byte
	for i := range o.Clients {
		t, secrets := newClient(o, tags, i, &scratch)
		e.clients = append(e.clients, t)
		e.secrets = append(e.secrets, secrets...)
		ref := ClientRef{ID: t.id, Slug: t.slug, SKU: t.sku, Name: t.name}
		if o.Linked || i%10 != 9 {
			ref.Identifier = map[string]string{"slug": t.slug, "sku": t.sku}[o.LinkClient]
			if ref.Identifier == "" {
				ref.Identifier = t.id
			}
			e.fillEmbedClient(t, ref.Identifier, i)
		}
		e.refs = append(e.refs, ref)
	}
	e.sorted = sortClients(e.clients)
}

func (e *Emulator) fillEmbedClient(t tiClient, identifier string, index int) {
	g := newGenerator(e.options.Seed, "embed", index)
	m := metadata{
		"plan":           appendString(nil, g.pick([]string{"pilot", "standard", "campus"})),
		"accountManager": appendString(nil, g.person()),
		"locale":         appendJSON(nil, record{"language", t.language, "timeZone", "Europe/London"}),
	}
	e.co.addClient(&embedClient{identifier: identifier, metadata: m, created: t.createdAt, updated: t.updatedAt})
	for k := range e.options.UsersPerClient {
		e.fillUser(identifier, index*e.options.UsersPerClient+k)
	}
}

// person is a user and the identity behind it.
type person struct {
	given, family, identifier, identityID string
}

// fillUser makes the user with this number and, but for one in five, its identity.
func (e *Emulator) fillUser(client string, n int) {
	g := newGenerator(e.options.Seed, "user", n)
	p := person{given: g.pick(givenNames), family: g.pick(familyNames), identityID: g.uuid()}
	p.identifier = identifierOf(p, n)
	linked := e.options.Linked || n%5 != 4
	if linked && e.options.LinkUser == "id" {
		p.identifier = p.identityID
	}
	u := &embedUser{identifier: p.identifier, client: client, testMode: n%11 == 7, created: g.date(0, 200),
		updated: g.date(201, 500)}
	u.metadata = metadata{
		"name":       appendString(nil, p.given+" "+p.family),
		"avatar":     appendString(nil, fmt.Sprintf("https://avatars.example/u/%d.png", n+1)),
		"department": appendString(nil, g.pick([]string{"Operations", "Nursing", "R&D", "Vertrieb", "Estates"})),
		"level":      appendJSON(nil, g.between(1, 9)),
	}
	if n%9 == 6 {
		delete(u.metadata, "avatar")
	}
	e.co.addUser(u)
	ref := UserRef{Identifier: p.identifier}
	if linked {
		ref.IdentityID = p.identityID
		e.fillIdentity(g, p, n)
	}
	e.users[client] = append(e.users[client], ref)
}

// identifierOf is the identifier that a customer of Coassemble chose: mostly a subject of the identity provider, at
// times something that must be escaped in a path.
func identifierOf(p person, n int) string {
	switch n % 8 {
	case 3:
		return fmt.Sprintf("%s %s %d", p.given, p.family, 100000001+n)
	case 6:
		return fmt.Sprintf("staff/Åre office/%d?v=1#100%%", 100000001+n)
	}
	return fmt.Sprintf("example-university-oauth2|%d", 100000001+n)
}

func (e *Emulator) fillIdentity(g *generator, p person, n int) {
	claims := record{
		"givenName", p.given, "familyName", p.family, "dob",
		fmt.Sprintf("%d-%02d-%02d", g.between(1960, 2004), g.between(1, 12), g.between(1, 28)), "email",
		fmt.Sprintf("person%d@mail.example", n+1), "address",
		record{"street_name", g.pick([]string{"Queen Street", "Rue de l'Église", "Harbour Road"}), "city", g.pick(cities)},
	}
	if n%7 == 6 {
		claims = record{} // by default MATTR persists no claims
	}
	subject := p.identifier
	if key, ok := strings.CutPrefix(e.options.LinkUser, "claims."); ok {
		claims = withClaim(claims, strings.Split(key, "."), p.identifier)
		subject = "campus-login|" + p.identityID[:12]
	} else if e.options.LinkUser == "id" {
		subject = "campus-login|" + p.identityID[:12]
	}
	i := &identity{
		id: p.identityID, createdAt: moment(n), raw: appendRecord(nil, claims),
		provider: &provider{ProviderID: ProviderID, URL: "https://login.example-university.example", SubjectID: subject},
	}
	parsed, _, err := parseClaims(i.raw)
	if err != nil {
		panic("emulator: the catalogue's claims are no JSON: " + err.Error())
	}
	i.claims = parsed
	e.mattr.identities = append(e.mattr.identities, i)
	e.mattr.identity[i.id] = i
	for k := range e.options.CredentialsPerUser {
		e.mattr.credentials[i.id] = append(e.mattr.credentials[i.id], newCredential(g, k))
	}
}

// withClaim sets a claim; a path of several names leads into nested claims.
func withClaim(claims record, path []string, value string) record {
	if len(path) == 1 {
		claims.set(path[0], value)
		return claims
	}
	nested := record{}
	for i := 0; i < len(claims); i += 2 {
		if r, ok := claims[i+1].(record); ok && claims[i] == path[0] {
			nested = r
		}
	}
	claims.set(path[0], withClaim(nested, path[1:], value))
	return claims
}

// moment is when the n-th record was made: later than the one before.
func moment(n int) string {
	return epoch.Add(time.Duration(n) * 97 * time.Second).Format(timeLayout)
}

// newCredential is alternately a web credential, with few members, and a mobile one with all.
func newCredential(g *generator, k int) credential {
	c := credential{id: g.uuid(), createdAt: moment(k)}
	if k%2 == 0 {
		c.raw = appendRecord(nil, record{"id", c.id, "type", "CourseCredential", "profile",
			[]string{"web-semantic", "compact", "compact-semantic"}[k/2%3]})
		return c
	}
	namespace := record{"digestID", g.between(0, 40), "digest", g.bytes(32)}
	c.raw = appendRecord(nil, record{
		"id", c.id, "type", "org.iso.18013.5.1.mDL", "profile", "mobile", "sessionId", g.uuid(), "credentialConfigurationId",
		g.uuid(), "offerId", g.uuid(), "devicePublicKey",
		record{"kty", "EC", "crv", "P-256", "x", g.bytes(32), "y", g.bytes(32)}, "namespaces",
		record{"org.iso.18013.5.1", record{"family_name", namespace, "given_name",
			record{"digestID", 41, "digest", g.bytes(32)}}}, "msoHash", g.bytes(32), "issuedDate", g.date(0, 100), "validFrom",
		g.date(101, 120), "validUntil", g.date(1500, 1600), "status", []string{"valid", "suspended", "invalid"}[k/2%3],
	})
	return c
}

// bytes are n random bytes in the alphabet of JSON Web Keys.
func (g *generator) bytes(n int) string { //nolint:unparam // the length is the caller's matter
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.rng.Uint32())
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
