package emulator

import (
	"bytes"
	"fmt"
	"strings"
)

// tiClient is one client of the Thought Industries catalogue: the values that lists are searched and sorted by, and its
// whole body.
type tiClient struct {
	id, slug, sku, name, language string
	createdAt, updatedAt          string
	search                        string
	raw                           []byte
}

// content writes one client with everything in it.
type content struct {
	*generator
	index      int
	self       record // the client as others refer to it
	other      record // the client that some of its content names
	name, slug string
	tags       list
	courseRefs list
	courseIDs  []string
	pathRefs   list
	pathIDs    []string
}

// sharedTags are the tags that all clients use.
func sharedTags(seed uint64) list {
	g := newGenerator(seed, "tags", 0)
	var tags list
	for _, label := range tagLabels {
		tags = append(tags, record{
			"id", g.uuid(), "label", label, "isFolder", label == "Compliance", "updatedAt", g.date(0, 300),
			"description", "Everything filed under " + label + ".",
		})
	}
	return tags
}

func tagIDs(tags list) []string {
	ids := make([]string, len(tags))
	for i, t := range tags {
		ids[i] = t[1].(string)
	}
	return ids
}

// newClient makes the client with this index, and the secrets in it. It encodes into the scratch buffer first.
func newClient(o Options, tags list, index int, scratch *[]byte) (tiClient, []string) {
	c := &content{generator: newGenerator(o.Seed, "client", index), index: index, name: clientName(index)}
	c.slug = slugOf(c.name)
	from := index % 3
	c.tags = tags[from : from+3]
	id := c.uuid()
	c.self = record{"id", id, "name", c.name, "slug", c.slug}
	c.other = c.self
	if o.NamesOthers {
		next := (index + 1) % o.Clients
		name := clientName(next)
		c.other = record{"id", newGenerator(o.Seed, "client", next).uuid(), "name", name, "slug", slugOf(name)}
	}
	c.refer(o.CoursesPerClient, o.LearningPathsPerClient)
	t := tiClient{
		id: id, slug: c.slug, sku: fmt.Sprintf("ORG-%05d", 10001+index), name: c.name,
		language: languages[index*index%len(languages)], createdAt: c.date(0, 200), updatedAt: c.date(201, 500),
		search: strings.ToLower(c.name) + "\n" + c.slug,
	}
	*scratch = appendRecord((*scratch)[:0], c.client(t))
	t.raw = bytes.Clone(*scratch)
	return t, c.secrets
}

// refer names the courses and learning paths before any of them is written, as they refer to each other.
func (c *content) refer(courses, paths int) {
	for i := range courses {
		title := subjects[(c.index*5+i)%len(subjects)]
		if i >= len(subjects) {
			title += fmt.Sprintf(" %d", i/len(subjects)+1)
		}
		id := c.uuid()
		c.courseIDs = append(c.courseIDs, id)
		c.courseRefs = append(c.courseRefs,
			record{"id", id, "title", title, "slug", fmt.Sprintf("%s-%d", slugOf(title), i+1)})
	}
	for i := range paths {
		name := journeys[(c.index+i)%len(journeys)]
		if i >= len(journeys) {
			name += fmt.Sprintf(" %d", i/len(journeys)+1)
		}
		id := c.uuid()
		c.pathIDs = append(c.pathIDs, id)
		c.pathRefs = append(c.pathRefs, record{"id", id, "name", name, "slug", fmt.Sprintf("%s-%d", slugOf(name), i+1)})
	}
}

// another is a reference to an element other than the one with this index; a list of one refers to the main
// catalogue, which belongs to no client.
func (c *content) another(refs list, index int, label string) record {
	if len(refs) > 1 {
		return refs[(index+1)%len(refs)]
	}
	return record{"id", c.uuid(), label, "Introduction to Learning Online", "slug", "introduction-to-learning-online"}
}

// brief is the whole object in a client's first course or path, and elsewhere its most useful members: pages have the
// size of real ones, and every declared member is somewhere.
func brief(i int, r record, names ...string) record {
	if i == 0 {
		return r
	}
	return r.only(names...)
}

func (c *content) asset(kind string) string {
	return fmt.Sprintf("https://cdn.example/%s/%s-%04x.png", c.slug, kind, c.rng.IntN(1<<16))
}

func (c *content) client(t tiClient) record {
	courses := make(list, len(c.courseRefs))
	for i := range courses {
		courses[i] = c.course(i)
	}
	paths := make(list, len(c.pathRefs))
	for i := range paths {
		paths[i] = c.learningPath(i)
	}
	primaryID, childID := c.uuid(), c.uuid()
	primary := c.license(primaryID, "Main licence", nil, list{{"id", childID, "name", c.name + " – Evening school"}})
	child := c.license(childID, "Evening school",
		record{"id", primaryID, "name", c.name + " – Main licence", "sku", "LIC-" + primaryID[:8]}, list{})
	tree := list{
		{"id", primaryID, "name", "Main licence", "hierarchicalName", "Main licence", "depth", 0, "parentLicenseId", nil,
			"ancestorIds", []string{}, "createdAt", t.createdAt},
		{"id", childID, "name", "Evening school", "hierarchicalName", "Main licence > Evening school", "depth", 1,
			"parentLicenseId", primaryID, "ancestorIds", []string{primaryID}, "createdAt", t.updatedAt},
	}
	r := record{
		"id", t.id, "name", c.name, "schoolName", c.name + " Learning Centre", "courses", courses, "learningPaths", paths,
		"learningPathIds", c.pathIDs, "courseIds", c.courseIDs, "courseTags", c.tags, "courseTagIds", tagIDs(c.tags),
		"purchasableContentIds", c.courseIDs[:min(3, len(c.courseIDs))], "purchasableTagIds", tagIDs(c.tags[:2]),
		"purchasableTags", c.tags[:2], "licenseEndDate", c.date(900, 1500), "primaryLicense", primary,
		"dashboardLayoutId", c.uuid(), "panorama", true, "emailLayout", c.emailLayout(), "appearance", c.appearance(),
		"catalog", c.catalog(), "sku", t.sku, "slug", t.slug, "customHost", t.slug + ".learning.example", "sso", c.sso(),
		"redemptionLayoutId", c.uuid(), "pendingJobs", c.jobs(), "seatsAllocatedCount", c.between(20, 400), "seatsLimit",
		c.between(5, 50) * 10, "seatsUsedCount", c.between(10, 300), "secretKey", c.secret("secretKey"), "internalNotes",
		"Renewal call with " + c.person() + ", ref " + c.secret("internalNotes"), "schemaRevision", 47, "allocatedCredits",
		float64(c.between(10, 900)) / 4, "currentBalance", float64(c.between(1, 9000)) / 8, "startingBalance", 1200.5,
		"autoFilterForSelectedLanguage", c.flag(), "clientAdminAllocatableLearningPaths", c.pathIDs[:min(2, len(c.pathIDs))],
		"clientSubscriptionNeedsSetup", false, "createdAt", t.createdAt, "updatedAt", t.updatedAt,
		"currentUserManagerAllocatedLicenseTree", tree[:1], "licenseTree", tree, "licenses", list{primary, child},
		"defaultLanguage", t.language, "languages", []string{"en", t.language}, "languageSelectorEnabled", c.flag(),
		"disabled", c.index%12 == 11, "enableBranding", c.flag(), "enableCommunitiesSegmentation", c.flag(),
		"enableContentDetailPage", c.flag(), "enableCreditPurchasing", c.flag(), "enableCustomEmailSettings", c.flag(),
		"enableDiscussions", c.flag(), "enableEcommerce", c.flag(), "enableGlobalLinks", c.flag(), "enableLicenseDashboards",
		c.flag(), "enableNavLinks", c.flag(), "enableOnboardingSurvey", c.flag(), "enableRecommendationAssessment", c.flag(),
		"enableSegmentation", c.flag(), "notificationEmails", "training@" + t.slug + ".example,people@" + t.slug + ".example",
		"tags", c.tags[1:],
	}
	return c.thinClient(r)
}

// thinClient leaves out the members that one client in six has never filled in.
func (c *content) thinClient(r record) record {
	if c.index%6 != 4 {
		return r
	}
	r.set("licenseEndDate", nil)
	r.set("customHost", nil)
	return r.without("redemptionLayoutId", "clientSubscriptionNeedsSetup")
}

func (c *content) license(id, label string, parent record, children list) record {
	n, client := min(3, len(c.courseRefs)), c.self
	if parent != nil {
		n, client = min(2, n), c.other
	}
	r := record{
		"id", id, "name", c.name + " – " + label, "label", label, "sku", "LIC-" + id[:8], "client", client, "createdAt",
		c.date(0, 90), "updatedAt", c.date(91, 400), "accessDays", 365, "expirationDate", c.date(900, 1500), "seatsLimit",
		c.between(1, 60) * 10, "dashboardLayoutId", c.uuid(), "enableBranding", c.flag(), "schoolName", c.name + " " + label,
		"isDefault", parent == nil, "learningPaths", c.pathRefs, "learningPathIds", c.pathIDs, "appearance",
		c.appearance().only("id", "accentColor", "font", "logoAsset"), "courses", c.courseRefs[:n], "courseIds",
		c.courseIDs[:n], "courseTags", c.tags[:1], "courseTagIds", tagIDs(c.tags[:1]),
	}
	if parent == nil {
		r = append(r, "parentLicense", nil, "parentLicenseId", nil)
	} else {
		r = append(r, "parentLicense", parent, "parentLicenseId", parent[1])
	}
	r = append(r, "childLicenses", children, "internalNotes", "Discount agreed, ref "+c.secret("internalNotes"))
	for i, ref := range []string{"EMEA", "Cost centre 4410", "PO-88213", "Annual", "Direct", "Tier B", "Net 30",
		"Cohort 7", "Blended", "Renewed"} {
		r = append(r, fmt.Sprintf("ref%d", i+1), ref)
	}
	return r
}

func (c *content) appearance() record {
	r := record{
		"id", c.uuid(), "accentColor", fmt.Sprintf("#%06x", c.rng.IntN(1<<24)), "secondaryColor",
		fmt.Sprintf("#%06x", c.rng.IntN(1<<24)), "linkColor", "#0b5fff", "font", "Source Sans", "altFont", "Georgia",
		"backgroundAsset", c.asset("background"), "backgroundAssetTiled", c.flag(), "favicon", c.asset("favicon"),
		"logoAsset", c.asset("logo"), "retinaLogo", c.flag(), "customCss", `.hero::before { content: "★"; }`,
		"globalNavigationLinks", list{{"href", "/learn/catalog", "label", "Catalogue"},
			{"href", "https://" + c.slug + ".example/help?topic=login&lang=en", "label", "Help & support"}},
	}
	company := record{
		"id", c.uuid(), "name", c.name, "subdomain", c.slug, "schoolName", c.name + " Learning Centre", "copyrightName",
		c.name + " Ltd", "catalogVisibilityEmails", []string{"catalogue@" + c.slug + ".example"}, "appearanceSettings",
		record{"id", c.uuid(), "accentColor", "#1d3557", "font", "Source Sans"},
	}
	return append(r, "company", company)
}

func (c *content) emailLayout() record {
	return record{
		"id", c.uuid(), "bccAddress", "archive@" + c.slug + ".example", "emailCaptureTerms",
		"<p>By signing up you agree to the <a href=\"/terms\">terms</a>.</p>", "footer", "<p>© " + c.name + "</p>",
		"fromAddress", "learning@" + c.slug + ".example", "fromName", c.name, "header", "<h1>" + c.name + "</h1>",
	}
}

func (c *content) catalog() record {
	bundle := c.bundle()
	return record{
		"id", c.uuid(), "boostRibbon", "new", "categories",
		list{{"id", c.uuid(), "label", "By topic", "slug", "by-topic", "subcategories", list{
			{"id", c.uuid(), "label", "Compliance", "slug", "compliance", "query", `tags:"Compliance"`, "description",
				"Everything the auditors ask for."},
			{"id", c.uuid(), "label", "Leadership", "slug", "leadership", "query", "tags:Leadership", "description", nil},
		}}},
		"contentTypeFilterEnabled", c.flag(), "defaultQuery", "status:published", "defaultSort", "title:asc",
		"displayAuthorsEnabled", c.flag(), "displayBundle", list{bundle}, "displayBundleId", bundle[1],
		"displayStartDateEnabled", c.flag(), "displayTypeCalendarEnabled", c.flag(), "displayTypeGridEnabled", true,
		"displayTypeListEnabled", true, "hidePastEvents", c.flag(), "onlyDisplayAccessibleContent", c.flag(),
		"resultsDisplayType", c.pick([]string{"calendar", "grid", "list"}), "sortCourseStartDateEnabled", c.flag(),
		"sortCreatedAtEnabled", c.flag(), "sortPublishDateEnabled", c.flag(), "sortRelevanceEnabled", true,
		"sortTitleEnabled", true, "sortUpdatedAtEnabled", c.flag(),
	}
}

func (c *content) bundle() record {
	return record{
		"id", c.uuid(), "name", "All access", "slug", "all-access", "planId", "plan-monthly", "annualPlanId", "plan-annual",
		"priceInCents", 2900, "annualPriceInCents", 29900, "needShippingAddress", false, "purchasable", true, "taxable", true,
		"weight", 0.5,
	}
}

func (c *content) sso() record {
	issuer := "https://login." + c.slug + ".example"
	mappings := list{{"keyName", "email", "keyAttribute", "mail"}, {"keyName", "firstName", "keyAttribute", "givenName"}}
	bundle := c.bundle()
	return record{
		"id", c.uuid(), "bundle", bundle, "bundleId", bundle[1], "casAttributeMappings", mappings[:1], "casServerUrl",
		issuer + "/cas", "externalEcommerceUrl", issuer + "/shop", "externalLoginUrl", issuer + "/login", "externalLogoutUrl",
		issuer + "/logout", "externalProfileUrl", issuer + "/me", "externalRegisterUrl", issuer + "/register",
		"hasOpenIdClientSecret", true, "openIdAttributeMappings", mappings, "openIdAuthorizationParameters",
		record{"prompt", "login", "login_hint_token", c.secret("openIdAuthorizationParameters")}, "openIdAuthorizationUrl",
		issuer + "/authorize", "openIdClientId", "learning-" + c.slug, "openIdClientSecret", c.secret("openIdClientSecret"),
		"openIdEndSessionUrl", issuer + "/end", "openIdIssuer", issuer, "openIdSigningAlgorithm", "RS256", "openIdTokenUrl",
		issuer + "/token", "openIdUserInfoUrl", issuer + "/userinfo", "openIdWellKnownUrl",
		issuer + "/.well-known/openid-configuration", "samlAllowUnencryptedAssertions", false, "samlAttributeMappings",
		mappings, "samlForceReAuth", c.flag(), "samlIdpCertificate", c.secret("samlIdpCertificate"), "samlSignRequests", true,
		"samlSingleLogoutUrl", issuer + "/saml/slo", "samlSingleSignonUrl", issuer + "/saml/sso",
	}
}

func (c *content) jobs() list {
	return list{{
		"id", c.uuid(), "type", "licenseReport", "status", c.pick([]string{"complete", "failed", "processing", "queued"}),
		"createdAt", c.date(300, 500), "description", "Quarterly licence report", "errorMessage",
		"2 rows had no e-mail address", "repeatable", false,
	}}
}
