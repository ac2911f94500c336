package graph_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// contentTypes are the types that the specification of Thought Industries names, with their number of
// fields there. The schema offers all of them but Client.secretKey.
var contentTypes = map[string]int{"Client": 59, "Course": 100, "LearningPath": 78, "License": 34, "Tag": 5}

// secretFields grant access to something, whatever type they are on.
var secretFields = []string{
	"secretKey",
	"openIdClientSecret", "openIdAuthorizationParameters", "samlIdpCertificate",
	"webexSessionPassword", "organizerDialIn",
	"goToTrainingKey", "goToWebinarKey", "webexTrainingSessionKey", "zoomOccurrenceKey",
}

// featureFlags are fields of the backend's client that the schema offers on ClientFeatures, and only there.
var featureFlags = []string{
	"enableSegmentation", "enableEcommerce", "enableBranding", "enableOnboardingSurvey", "enableGlobalLinks",
	"enableNavLinks", "panorama", "disabled", "enableDiscussions", "enableCommunitiesSegmentation",
	"enableRecommendationAssessment", "enableContentDetailPage", "enableLicenseDashboards",
	"enableCreditPurchasing", "enableCustomEmailSettings", "languageSelectorEnabled",
	"autoFilterForSelectedLanguage", "clientSubscriptionNeedsSetup",
}

const (
	isSecret    = "it is a secret"
	typeUnknown = "nothing is known of its type"
	thirdLevel  = "its type is three levels below the specification's own"
	isUnion     = "its type is a union of pages whose fields are not known"
)

// leftOut are the fields of the backend that the schema does not offer.
var leftOut = map[string]string{
	"Client.secretKey":                                   isSecret,
	"SSOSettings.openIdAuthorizationParameters":          isSecret,
	"SSOSettings.openIdClientSecret":                     isSecret,
	"SSOSettings.samlIdpCertificate":                     isSecret,
	"WebinarBlock.organizerDialIn":                       isSecret,
	"WebinarBlock.webexSessionPassword":                  isSecret,
	"WebinarDate.goToTrainingKey":                        isSecret,
	"WebinarDate.goToWebinarKey":                         isSecret,
	"WebinarDate.webexTrainingSessionKey":                isSecret,
	"WebinarDate.zoomOccurrenceKey":                      isSecret,
	"Bundle.variations":                                  typeUnknown,
	"Company.catalogBlock":                               typeUnknown,
	"Company.micrositeFooter":                            typeUnknown,
	"Company.micrositeHeader":                            typeUnknown,
	"Company.organization":                               typeUnknown,
	"Company.rootLayout":                                 typeUnknown,
	"Meeting.attendees":                                  typeUnknown,
	"MilestoneCompetencyAssessment.competencyAssessment": typeUnknown,
	"CatalogCategory.subcategories":                      thirdLevel,
	"CourseTab.instructors":                              thirdLevel,
	"CourseTab.products":                                 thirdLevel,
	"CourseTab.testimonials":                             thirdLevel,
	"LearningPathTab.instructors":                        thirdLevel,
	"LearningPathTab.products":                           thirdLevel,
	"TopicGroupCategory.subcategories":                   thirdLevel,
	"Lesson.topics":                                      isUnion,
}

func TestSchemaOffersEveryKeyOfTheClientsSample(t *testing.T) {
	t.Parallel()

	file, err := os.Open(filepath.Join("testdata", "schema", "thoughtindustries-clients.json.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	w := &sampleWalker{t: t, schema: loadSchema(t), dec: json.NewDecoder(file), seen: map[string]map[string]bool{}}
	w.dec.UseNumber()
	err = w.value("", nil)
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("the sample ends abruptly, so reading it ends with an unexpected end of file; got %v", err)
	}

	got := map[string]int{}
	for owner, keys := range w.seen {
		got[owner] = len(keys)
	}
	// A walk that loses its way finds fewer keys than the sample has.
	want := map[string]int{
		"ClientConnection": 3, "PageInfo": 1, "Aggregation": 3, "AggregationBucket": 5,
		"Client": 14, "Course": 100, "LearningPath": 78, "Tag": 5, "License": 22,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("number of different keys read per type (-want +got):\n%s", diff)
	}
}

// sampleWalker follows a JSON document and the schema side by side.
type sampleWalker struct {
	t      *testing.T
	schema *ast.Schema
	dec    *json.Decoder
	seen   map[string]map[string]bool // keys met, by schema type
}

// value reads one value of the schema's type typ; nil is for the envelope and for members without a place in the schema.
func (w *sampleWalker) value(path string, typ *ast.Type) error {
	token, err := w.dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		return w.object(path, typ)
	case json.Delim('['):
		return w.array(path, typ)
	}
	if typ != nil && !w.fits(token, typ) {
		w.t.Errorf("%s: the sample's %v does not fit the declared type %s", path, token, typ)
	}
	return nil
}

func (w *sampleWalker) array(path string, typ *ast.Type) error {
	var elem *ast.Type
	if typ != nil {
		if elem = w.elem(typ); elem == nil {
			w.t.Errorf("%s: the sample has a list, the declared type is %s", path, typ)
		}
	}
	for w.dec.More() {
		if err := w.value(path, elem); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

// elem is the type of one element of a list, also where the schema offers the list as a connection.
func (w *sampleWalker) elem(typ *ast.Type) *ast.Type {
	if typ.Elem != nil {
		return typ.Elem
	}
	if strings.HasSuffix(typ.NamedType, "Connection") {
		return w.schema.Types[typ.NamedType].Fields.ForName("nodes").Type.Elem
	}
	return nil
}

func (w *sampleWalker) object(path string, typ *ast.Type) error {
	if typ != nil && typ.NamedType != "JSON" && w.kind(typ) != ast.Object {
		w.t.Errorf("%s: the sample has an object, the declared type is %s", path, typ)
		typ = nil
	}
	keys := 0
	for w.dec.More() {
		token, err := w.dec.Token()
		if err != nil {
			return err
		}
		key := token.(string)
		keys++
		if err := w.value(path+"."+key, w.member(path, typ, key)); err != nil {
			return err
		}
	}
	if keys == 0 && typ != nil && typ.NamedType != "JSON" {
		w.t.Errorf("%s: the sample's {} is an object of free keys, the declared type is %s", path, typ)
	}
	_, err := w.dec.Token()
	return err
}

// member is the schema's type of a key of the sample, nil where the key is excepted.
func (w *sampleWalker) member(path string, typ *ast.Type, key string) *ast.Type {
	switch path + "." + key {
	case ".data", ".data.Clients", ".data.Clients.pageInfo",
		".data.Clients.pageInfo.perPage", ".data.Clients.pageInfo.currentPage":
		return nil
	case ".data.Clients.pageInfo.total":
		return w.field(path, "ClientConnection", "totalCount")
	case ".data.Clients.pageInfo.hasMore":
		return w.field(path, "PageInfo", "hasNextPage")
	case ".data.Clients.aggregations":
		return w.field(path, "ClientConnection", "aggregations")
	case ".data.Clients.clients":
		return w.field(path, "ClientConnection", "nodes")
	}
	if key == "..." && typ != nil {
		return nil
	}
	if typ == nil {
		w.t.Errorf("%s: key %q is neither excepted nor within a type of the schema", path, key)
		return nil
	}
	owner := typ.NamedType
	if owner == "Client" && slices.Contains(featureFlags, key) {
		owner = "ClientFeatures"
	}
	if key == "id" && owner != "Client" {
		key = "sourceId"
	}
	return w.field(path, owner, key)
}

func (w *sampleWalker) field(path, owner, name string) *ast.Type {
	var field *ast.FieldDefinition
	if def := w.schema.Types[owner]; def != nil {
		field = def.Fields.ForName(name)
	}
	if field == nil {
		w.t.Errorf("%s: %s.%s is not in the schema", path, owner, name)
		return nil
	}
	if w.seen[owner] == nil {
		w.seen[owner] = map[string]bool{}
	}
	w.seen[owner][name] = true
	return field.Type
}

func (w *sampleWalker) kind(typ *ast.Type) ast.DefinitionKind {
	if typ.Elem != nil {
		return ""
	}
	return w.schema.Types[typ.NamedType].Kind
}

var (
	uuidSample = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	dateSample = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T`)
)

// fits reports whether a leaf of the sample is a value of the declared type. The sample writes every id as a UUID and
// every date in full, so these two can be recognized.
func (w *sampleWalker) fits(token json.Token, typ *ast.Type) bool {
	switch v := token.(type) {
	case bool:
		return typ.NamedType == "Boolean"
	case json.Number:
		return typ.NamedType == "Int" || typ.NamedType == "Float"
	case string:
		switch {
		case uuidSample.MatchString(v):
			return typ.NamedType == "ID"
		case dateSample.MatchString(v):
			return typ.NamedType == "Date"
		case w.kind(typ) == ast.Enum:
			return w.schema.Types[typ.NamedType].EnumValues.ForName(v) != nil
		}
		return typ.NamedType == "String"
	}
	return false
}

func TestSchemaOffersEveryFieldOfCoassembleAndMATTR(t *testing.T) {
	t.Parallel()

	schema := loadSchema(t)
	for _, tt := range []struct{ backend, offered, want string }{
		{"coassemble client clientIdentifier", "EmbedClient.sourceId", "ID!"},
		{"coassemble client userCount", "EmbedClient.userCount", "Int"},
		{"coassemble client metadata", "EmbedClient.metadata", "JSON"},
		{"coassemble client created", "EmbedClient.created", "String"},
		{"coassemble client updated", "EmbedClient.updated", "String"},
		{"coassemble user identifier", "User.sourceId", "ID!"},
		{"coassemble user clientIdentifier", "User.clientIdentifier", "String"},
		{"coassemble user metadata", "User.metadata", "JSON"},
		{"coassemble user name", "User.name", "String"},
		{"coassemble user avatar", "User.avatar", "String"},
		{"coassemble user testMode", "User.testMode", "Boolean"},
		{"coassemble user created", "User.created", "String"},
		{"coassemble user updated", "User.updated", "String"},
		{"coassemble list of users, clientIdentifier", "Query.users.clientIdentifier", "String"},
		{"coassemble update of a client, metadata", "UpdateEmbedClientInput.metadata", "JSON!"},
		{"coassemble update of a user, clientIdentifier", "UpdateUserInput.clientIdentifier", "String"},
		{"coassemble update of a user, metadata", "UpdateUserInput.metadata", "JSON"},
		{"coassemble update of a user, name", "UpdateUserInput.name", "String"},
		{"coassemble update of a user, avatar", "UpdateUserInput.avatar", "String"},
		{"coassemble delete of a user, action", "DeleteUserInput.action", "UserCoursesAction!"},
		{"coassemble delete of a user, reallocateTo", "DeleteUserInput.reallocateTo", "String"},
		{"mattr user id", "Identity.sourceId", "ID!"},
		{"mattr user claims", "Identity.claims", "JSON"},
		{"mattr user authenticationProvider", "Identity.authenticationProvider", "AuthenticationProvider"},
		{"mattr provider providerId", "AuthenticationProvider.providerId", "ID"},
		{"mattr provider url", "AuthenticationProvider.url", "String"},
		{"mattr provider subjectId", "AuthenticationProvider.subjectId", "String"},
		{"mattr search, claims", "IdentityFilter.claims", "JSON"},
		{"mattr search, authenticationProvider", "IdentityFilter.authenticationProvider", "AuthenticationProviderInput"},
		{"mattr search, providerId", "AuthenticationProviderInput.providerId", "ID"},
		{"mattr search, subjectId", "AuthenticationProviderInput.subjectId", "String"},
		{"mattr update, claims", "UpdateIdentityInput.claims", "JSON!"},
		{"mattr update, authenticationProvider", "UpdateIdentityInput.authenticationProvider", "AuthenticationProviderInput"},
		{"mattr credential id", "Credential.sourceId", "ID!"},
		{"mattr credential type", "Credential.type", "String"},
		{"mattr credential profile", "Credential.profile", "String"},
		{"mattr credential sessionId", "Credential.sessionId", "ID"},
		{"mattr credential credentialConfigurationId", "Credential.credentialConfigurationId", "ID"},
		{"mattr credential offerId", "Credential.offerId", "ID"},
		{"mattr credential devicePublicKey", "Credential.devicePublicKey", "JSON"},
		{"mattr credential namespaces", "Credential.namespaces", "JSON"},
		{"mattr credential msoHash", "Credential.msoHash", "String"},
		{"mattr credential issuedDate", "Credential.issuedDate", "Date"},
		{"mattr credential validFrom", "Credential.validFrom", "Date"},
		{"mattr credential validUntil", "Credential.validUntil", "Date"},
		{"mattr credential status", "Credential.status", "String"},
		{"thought industries clients, query", "Query.clients.query", "String"},
		{"thought industries clients, sort", "Query.clients.sort", "String"},
	} {
		t.Run(tt.backend, func(t *testing.T) {
			t.Parallel()
			if got := typeAt(schema, tt.offered); got != tt.want {
				t.Errorf("%s has type %q, want %q", tt.offered, got, tt.want)
			}
		})
	}
}

// typeAt is the type of Type.field or Type.field.argument, empty where there is none.
func typeAt(schema *ast.Schema, path string) string {
	parts := strings.Split(path, ".")
	def := schema.Types[parts[0]]
	if def == nil {
		return ""
	}
	field := def.Fields.ForName(parts[1])
	if field == nil {
		return ""
	}
	if len(parts) == 2 {
		return field.Type.String()
	}
	arg := field.Arguments.ForName(parts[2])
	if arg == nil {
		return ""
	}
	return arg.Type.String()
}

func TestSchemaKeepsTheWireContract(t *testing.T) {
	t.Parallel()

	const page = "first: Int = 25, after: String"
	want := map[string][]string{
		"Query": {
			"clients(" + page + ", query: String, sort: String): ClientConnection",
			"embedClients(" + page + "): EmbedClientConnection",
			"users(" + page + ", clientIdentifier: String): UserConnection",
			"identities(" + page + ", filter: IdentityFilter): IdentityConnection",
			"client(by: ClientBy!): Client",
			"embedClient(by: EmbedClientBy!): EmbedClient",
			"user(by: UserBy!): User",
			"identity(by: IdentityBy!): Identity",
			"node(id: ID!): Node",
			"nodes(ids: [ID!]!): [Node]",
		},
		"Mutation": {
			"updateEmbedClient(input: UpdateEmbedClientInput!): UpdateEmbedClientPayload",
			"deleteEmbedClient(input: DeleteEmbedClientInput!): DeleteEmbedClientPayload",
			"updateUser(input: UpdateUserInput!): UpdateUserPayload",
			"deleteUser(input: DeleteUserInput!): DeleteUserPayload",
			"updateIdentity(input: UpdateIdentityInput!): UpdateIdentityPayload",
			"deleteIdentity(input: DeleteIdentityInput!): DeleteIdentityPayload",
		},
		"Node":        {"id: ID!"},
		"PageInfo":    {"hasNextPage: Boolean!", "hasPreviousPage: Boolean!", "startCursor: String", "endCursor: String"},
		"EmbedClient": {"id: ID!", "sourceId: ID!", "metadata: JSON", "userCount: Int", "created: String", "updated: String", "client: Client", "users(" + page + "): UserConnection"},
		"User": {
			"id: ID!", "sourceId: ID!", "clientIdentifier: String", "name: String", "avatar: String", "metadata: JSON",
			"testMode: Boolean", "created: String", "updated: String", "client: Client", "embedClient: EmbedClient",
			"identity: Identity", "credentials(" + page + "): CredentialConnection",
		},
		"Identity": {
			"id: ID!", "sourceId: ID!", "claims: JSON", "authenticationProvider: AuthenticationProvider", "user: User",
			"credentials(" + page + "): CredentialConnection",
		},
		"AuthenticationProvider": {"providerId: ID", "url: String", "subjectId: String"},
		"Credential": {
			"id: ID!", "sourceId: ID!", "type: String", "profile: String", "sessionId: ID", "credentialConfigurationId: ID", "offerId: ID",
			"devicePublicKey: JSON", "namespaces: JSON", "msoHash: String", "issuedDate: Date", "validFrom: Date",
			"validUntil: Date", "status: String",
		},
		"UserCoursesAction":           {"reallocate", "delete", "ignore"},
		"ClientBy":                    {"id: ID", "sourceId: ID", "slug: String", "sku: String"},
		"EmbedClientBy":               {"id: ID", "sourceId: ID"},
		"UserBy":                      {"id: ID", "sourceId: ID"},
		"IdentityBy":                  {"id: ID", "sourceId: ID"},
		"IdentityFilter":              {"claims: JSON", "authenticationProvider: AuthenticationProviderInput"},
		"AuthenticationProviderInput": {"providerId: ID", "subjectId: String"},
		"UpdateEmbedClientInput":      {"by: EmbedClientBy!", "metadata: JSON!"},
		"DeleteEmbedClientInput":      {"by: EmbedClientBy!", "confirm: String!"},
		"UpdateUserInput":             {"by: UserBy!", "clientIdentifier: String", "metadata: JSON", "name: String", "avatar: String"},
		"DeleteUserInput":             {"by: UserBy!", "action: UserCoursesAction!", "reallocateTo: String"},
		"UpdateIdentityInput":         {"by: IdentityBy!", "claims: JSON!", "authenticationProvider: AuthenticationProviderInput"},
		"DeleteIdentityInput":         {"by: IdentityBy!"},
		"UpdateEmbedClientPayload":    {"embedClient: EmbedClient", "userErrors: [UserError!]!"},
		"DeleteEmbedClientPayload":    {"deletedId: ID", "userErrors: [UserError!]!"},
		"UpdateUserPayload":           {"user: User", "userErrors: [UserError!]!"},
		"DeleteUserPayload":           {"deletedId: ID", "userErrors: [UserError!]!"},
		"UpdateIdentityPayload":       {"identity: Identity", "userErrors: [UserError!]!"},
		"DeleteIdentityPayload":       {"deletedId: ID", "userErrors: [UserError!]!"},
		"UserError":                   {"code: String!", "message: String!", "path: [String!]"},
		"Date":                        nil,
		"JSON":                        nil,
	}
	want["Subscription"] = slices.DeleteFunc(slices.Clone(want["Query"]), func(field string) bool { return strings.HasPrefix(field, "nodes(") })
	for _, node := range []string{"Client", "EmbedClient", "User", "Identity", "Credential", "Course", "LearningPath"} {
		want[node+"Edge"] = []string{"cursor: String!", "node: " + node}
		want[node+"Connection"] = []string{"edges: [" + node + "Edge!]!", "nodes: [" + node + "]!", "pageInfo: PageInfo!"}
	}
	want["ClientConnection"] = append(want["ClientConnection"], "totalCount: Int", "aggregations: [Aggregation]")
	want["CourseConnection"] = append(want["CourseConnection"], "totalCount: Int!")
	want["LearningPathConnection"] = append(want["LearningPathConnection"], "totalCount: Int!")
	for _, flag := range featureFlags {
		want["ClientFeatures"] = append(want["ClientFeatures"], flag+": Boolean")
	}

	backend := readBackendTypes(t)
	got := map[string][]string{}
	for name, def := range declaredTypes(loadSchema(t)) {
		if backend.enums[name] != nil || (backend.fields[name] != nil && name != "PageInfo") {
			continue
		}
		got[name] = signatures(def)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("types that are not the backend's content (-want +got):\n%s", diff)
	}
}

func TestSchemaTakesExactlyOneKeyForALookup(t *testing.T) {
	t.Parallel()

	var got []string
	for name, def := range declaredTypes(loadSchema(t)) {
		if def.Directives.ForName("oneOf") != nil {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"ClientBy", "EmbedClientBy", "IdentityBy", "UserBy"}, got); diff != "" {
		t.Errorf("input objects with @oneOf (-want +got):\n%s", diff)
	}
}

func TestSchemaMakesNodesOfRecordsWithARoute(t *testing.T) {
	t.Parallel()

	var got []string
	for name, def := range declaredTypes(loadSchema(t)) {
		if slices.Contains(def.Interfaces, "Node") {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"Client", "Credential", "EmbedClient", "Identity", "User"}, got); diff != "" {
		t.Errorf("types that implement Node (-want +got):\n%s", diff)
	}
}

// signatures are the fields, arguments included, or the enum values of a type in their order.
func signatures(def *ast.Definition) []string {
	var out []string
	for _, value := range def.EnumValues {
		out = append(out, value.Name)
	}
	for _, field := range def.Fields {
		if strings.HasPrefix(field.Name, "__") {
			continue
		}
		var args []string
		for _, arg := range field.Arguments {
			s := arg.Name + ": " + arg.Type.String()
			if arg.DefaultValue != nil {
				s += " = " + arg.DefaultValue.String()
			}
			args = append(args, s)
		}
		name := field.Name
		if len(args) > 0 {
			name += "(" + strings.Join(args, ", ") + ")"
		}
		out = append(out, name+": "+field.Type.String())
	}
	return out
}

func TestSchemaOffersTheBackendsFieldsButThoseLeftOut(t *testing.T) {
	t.Parallel()

	backend := readBackendTypes(t)
	owners := slices.AppendSeq([]string{"Aggregation", "AggregationBucket"}, maps.Keys(backend.levels()))
	want := map[string][]string{}
	for _, owner := range owners {
		for _, field := range backend.fields[owner] {
			if leftOut[owner+"."+field.name] != "" || (owner == "Client" && slices.Contains(featureFlags, field.name)) {
				continue
			}
			name := field.name
			if name == "id" && owner != "Client" {
				name = "sourceId"
			}
			want[owner] = append(want[owner], name+": "+field.offered)
		}
	}
	want["Client"] = append(want["Client"], "sourceId: ID!", "embed: EmbedClient", "users(first: Int = 25, after: String): UserConnection", "features: ClientFeatures")
	replace(t, want["Client"], "id: ID", "id: ID!")
	replace(t, want["Client"], "courses: [Course]", "courses(first: Int = 25, after: String, status: [Status!], kind: [CourseGroupKind!]): CourseConnection")
	replace(t, want["Client"], "learningPaths: [LearningPath]", "learningPaths(first: Int = 25, after: String, status: [Status!]): LearningPathConnection")

	got := map[string][]string{}
	for name, def := range declaredTypes(loadSchema(t)) {
		if backend.fields[name] != nil && name != "PageInfo" {
			got[name] = signatures(def)
		}
	}
	for _, fields := range []map[string][]string{want, got} {
		for _, list := range fields {
			slices.Sort(list)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("content types (-want +got):\n%s", diff)
	}
}

func replace(t *testing.T, list []string, from, to string) {
	t.Helper()
	i := slices.Index(list, from)
	if i < 0 {
		t.Fatalf("%q is not among the backend's fields", from)
	}
	list[i] = to
}

func TestSchemaLeavesOutExactlyTheListedFields(t *testing.T) {
	t.Parallel()

	backend := readBackendTypes(t)
	levels := backend.levels()
	want := map[string]string{}
	for owner := range levels {
		for _, field := range backend.fields[owner] {
			if reason := backend.reasonAgainst(levels, field); reason != "" {
				want[owner+"."+field.name] = reason
			}
		}
	}
	if diff := cmp.Diff(want, leftOut); diff != "" {
		t.Errorf("fields left out (-want +got):\n%s", diff)
	}
}

func TestSchemaOffersTheNumberOfFieldsInTheSpecification(t *testing.T) {
	t.Parallel()

	schema, backend := loadSchema(t), readBackendTypes(t)
	for name, want := range contentTypes {
		if got := len(backend.fields[name]); got != want {
			t.Errorf("the backend's %s has %d fields in testdata, want %d", name, got, want)
		}
	}
	got := map[string]int{}
	for name := range contentTypes {
		got[name] = len(signatures(schema.Types[name]))
	}
	const ours = 4 // sourceId, embed, users, features
	got["Client"] += len(schema.Types["ClientFeatures"].Fields) - ours
	want := map[string]int{"Client": 58, "Course": 100, "LearningPath": 78, "License": 34, "Tag": 5}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields offered (-want +got):\n%s", diff)
	}
}

func TestSchemaNeverOffersASecret(t *testing.T) {
	t.Parallel()

	for name, def := range declaredTypes(loadSchema(t)) {
		for _, field := range def.Fields {
			if slices.Contains(secretFields, field.Name) {
				t.Errorf("%s.%s is a secret", name, field.Name)
			}
		}
	}
}

func TestSchemaSpellsEnumsLikeTheBackend(t *testing.T) {
	t.Parallel()

	backend := readBackendTypes(t)
	for name, def := range declaredTypes(loadSchema(t)) {
		if def.Kind != ast.Enum || name == "UserCoursesAction" {
			continue
		}
		if diff := cmp.Diff(backend.enums[name], signatures(def)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSchemaDeclaresNothingThatIsNotReached(t *testing.T) {
	t.Parallel()

	schema := loadSchema(t)
	reached := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if reached[name] {
			return
		}
		reached[name] = true
		for _, field := range schema.Types[name].Fields {
			visit(field.Type.Name())
			for _, arg := range field.Arguments {
				visit(arg.Type.Name())
			}
		}
	}
	visit("Query")
	visit("Mutation")
	visit("Subscription")

	for name := range declaredTypes(schema) {
		if !reached[name] {
			t.Errorf("%s is declared, but no field or argument leads to it", name)
		}
	}
}

func TestSchemaDescribesEveryTypeArgumentAndInputField(t *testing.T) {
	t.Parallel()

	for name, def := range declaredTypes(loadSchema(t)) {
		if def.Description == "" {
			t.Errorf("type %s has no description", name)
		}
		lookup := def.Directives.ForName("oneOf") != nil
		for _, field := range def.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			described := def.Kind == ast.InputObject && !lookup || name == "Query" || name == "Mutation" || strings.HasSuffix(name, "Payload")
			if described && field.Description == "" {
				t.Errorf("%s.%s has no description", name, field.Name)
			}
			for _, arg := range field.Arguments {
				if arg.Description == "" {
					t.Errorf("%s.%s(%s:) has no description", name, field.Name, arg.Name)
				}
			}
		}
	}
}

func TestSchemaDescriptionsAddToTheName(t *testing.T) {
	t.Parallel()

	check := func(path, owner, name, description string) {
		if description != "" && onlyRepeats(description, owner, name) {
			t.Errorf("%s: the description %q adds nothing to the name", path, description)
		}
	}
	for name, def := range declaredTypes(loadSchema(t)) {
		check(name, "", name, def.Description)
		for _, value := range def.EnumValues {
			check(name+"."+value.Name, name, value.Name, value.Description)
		}
		for _, field := range def.Fields {
			check(name+"."+field.Name, name, field.Name, field.Description)
			for _, arg := range field.Arguments {
				check(fmt.Sprintf("%s.%s(%s:)", name, field.Name, arg.Name), field.Name, arg.Name, arg.Description)
			}
		}
	}
}

func TestOnlyRepeats(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		owner, name, description string
		want                     bool
	}{
		{"Course", "priceInCents", "The price in cents.", true},
		{"Course", "priceInCents", "The course's price, in cents", true},
		{"Course", "seatsUsedCount", "Count of the used seats.", true},
		{"Course", "priceInCents", "In cents of the default currency.", false},
		{"Tag", "label", "Display text.", false},
	} {
		if got := onlyRepeats(tt.description, tt.owner, tt.name); got != tt.want {
			t.Errorf("onlyRepeats(%q, %q, %q) = %t, want %t", tt.description, tt.owner, tt.name, got, tt.want)
		}
	}
}

// onlyRepeats reports whether every word of a description is in the name, the owner's name, or means nothing.
func onlyRepeats(description, owner, name string) bool {
	known := append(words(owner), words(name)...)
	known = append(known, "a", "an", "the", "of", "in", "this", "is", "its", "s", "for")
	for _, word := range words(description) {
		if !slices.Contains(known, word) {
			return false
		}
	}
	return true
}

// words splits prose and camelCase names alike, in lower case.
func words(s string) []string {
	var spaced strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsUpper(r):
			spaced.WriteRune(' ')
			spaced.WriteRune(unicode.ToLower(r))
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			spaced.WriteRune(r)
		default:
			spaced.WriteRune(' ')
		}
	}
	return strings.Fields(spaced.String())
}

func loadSchema(t *testing.T) *ast.Schema {
	t.Helper()
	text, err := os.ReadFile("../schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// declaredTypes are the types of the schema file itself, without those that come with GraphQL.
func declaredTypes(schema *ast.Schema) map[string]*ast.Definition {
	declared := map[string]*ast.Definition{}
	for name, def := range schema.Types {
		if !def.BuiltIn {
			declared[name] = def
		}
	}
	return declared
}

// backendTypes are the properties of Thought Industries' own types.
type backendTypes struct {
	fields map[string][]backendField
	enums  map[string][]string
}

type backendField struct {
	name    string
	offered string // type as the schema has to offer it: nullable, in the schema's own scalars
	base    string // the named type within offered
}

// levels maps each object type that the schema offers for content to its distance from the specification's own types,
// which is two at most.
func (b backendTypes) levels() map[string]int {
	levels := map[string]int{}
	var current []string
	for name := range contentTypes {
		levels[name] = 0
		current = append(current, name)
	}
	for level := 1; level <= 2; level++ {
		var next []string
		for _, owner := range current {
			for _, field := range b.fields[owner] {
				if _, known := levels[field.base]; known || b.fields[field.base] == nil {
					continue
				}
				levels[field.base] = level
				next = append(next, field.base)
			}
		}
		current = next
	}
	return levels
}

// reasonAgainst returns why a field of an offered type is left out, empty where it is offered.
func (b backendTypes) reasonAgainst(levels map[string]int, field backendField) string {
	_, offered := levels[field.base]
	switch {
	case slices.Contains(secretFields, field.name):
		return isSecret
	case offered || b.enums[field.base] != nil:
		return ""
	case slices.Contains([]string{"ID", "String", "Int", "Float", "Boolean", "Date", "JSON"}, field.base):
		return ""
	case field.base == "PageResource":
		return isUnion
	case b.fields[field.base] != nil:
		return thirdLevel
	}
	return typeUnknown
}

// readBackendTypes reads lines like "Section: id: ID!, lessons: [Lesson]" and "enum Status: draft, published".
func readBackendTypes(t *testing.T) backendTypes {
	t.Helper()
	b := backendTypes{fields: map[string][]backendField{}, enums: map[string][]string{}}
	for _, name := range []string{"content-types.txt", "nested-types.txt"} {
		file, err := os.Open(filepath.Join("testdata", "schema", name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			b.read(lines.Text())
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b backendTypes) read(line string) {
	name, list, ok := strings.Cut(line, ": ")
	if !ok || strings.HasPrefix(line, "#") {
		return
	}
	for item := range strings.SplitSeq(list, ", ") {
		if enum, ok := strings.CutPrefix(name, "enum "); ok {
			b.enums[enum] = append(b.enums[enum], item)
			continue
		}
		field, typ, _ := strings.Cut(item, ": ")
		typ = strings.ReplaceAll(typ, "!", "")
		base := strings.Trim(typ, "[]")
		if scalar := schemaScalars[base]; scalar != "" {
			typ, base = strings.Replace(typ, base, scalar, 1), scalar
		}
		b.fields[name] = append(b.fields[name], backendField{name: field, offered: typ, base: base})
	}
}

// schemaScalars are the scalars of the schema for those of the backend that it does without.
var schemaScalars = map[string]string{
	"AbsoluteOrRelativeURL": "String", "HexColor": "String", "Slug": "String", "URL": "String", "UUID": "ID",
}
