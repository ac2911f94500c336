package emulator

import "fmt"

// learningPath writes the 78 members of one learning path.
func (c *content) learningPath(i int) record {
	ref := c.pathRefs[i]
	id, name, slug := ref[1].(string), ref[3].(string), ref[5].(string)
	layout, learner := c.layout("learningPathSidebarLayout"), c.layout("learningPathLearnerLayout")
	price := c.cents()
	client := c.self
	if i%2 == 1 {
		client = c.other
	}
	r := record{
		"id", id, "layoutId", layout[1], "layout", brief(i, layout, "id", "kind"), "learnerLayoutId", learner[1],
		"learnerLayout", brief(i, learner, "id", "kind"), "name", name, "sku",
		fmt.Sprintf("LP-%05d-%02d", 10001+c.index, i+1), "ribbon",
		record{"slug", "popular", "label", "Popular", "color", "#d62828", "contrastColor", "#ffffff", "darkerColor",
			"#9d0208"}, "slug", slug, "client", client, "createdAt", c.date(0, 150), "metaTitle", name + " | " + c.name,
		"metaDescription", "A guided path through " + name + ".", "asset", c.asset("path"), "assetAltText",
		"A group of learners", "assetLibraryId", c.uuid(), "detailAsset", c.asset("detail"), "detailAssetAltText",
		"A desk with a notebook", "detailAssetLibraryId", c.uuid(), "heroAsset", c.asset("hero"), "heroAssetAltText",
		"Campus at sunrise", "priceInCents", price, "suggestedRetailPriceInCents", price + 2000, "alternativePricingType",
		"membership", "alternativePricingRef", 2, "accessDays", 180, "shortDescription", name + " in twelve weeks.",
		"longDescription", "<p>Built by " + c.person() + " for teams that learn <em>together</em>.</p>", "tags",
		list{brief(i, c.tags[i%len(c.tags)], "id", "label")}, "status",
		[]string{"published", "published", "draft", "archived"}[i%4], "freeWithRegistration", c.flag(),
		"hasMultipleCurrencies", true, "prices", c.prices(i, price), "customFields", record{"owner", c.person(), "weeks", 12},
		"contentType", "Learning Path", "confirmationHtml", "<p>Welcome aboard!</p>", "startDate", c.date(300, 400),
		"endDate", c.date(500, 600), "enrollmentStartDate", c.date(200, 250), "enrollmentEndDate", c.date(251, 299),
		"milestones", c.milestones(i, ref), "availabilityStatus", "available", "currentUserStartActionDate", c.date(300, 320),
		"isPayAsYouGo", c.flag(), "language", c.pick(languages), "futurePublishDate", c.date(700, 800), "purchasable",
		c.flag(), "taxable", c.flag(), "fulfillmentCenter", brief(i, c.fulfillmentCenter(), "id", "name", "city", "country"),
		"taxCategory", c.uuid(), "currentUserPendingCertificate", false, "currentUserEarnedCertificate", false,
		"currentUserDueDate", c.date(600, 650), "bulkPurchasingEnabled", c.flag(), "seatTiers",
		list{{"priceInCents", price, "seats", 1}}, "seatPackages", list{{"seats", 10}}, "lastTierPriceInCents", price,
		"prerequisiteCourses", list{brief(i, c.another(c.courseRefs, i, "title"), "id", "title")},
		"prerequisiteLearningPaths", list{brief(i, c.another(c.pathRefs, i, "name"), "id", "name")}, "resourceType",
		"learningPath", "seatsLimit", c.between(1, 30) * 10, "videoAsset", c.uuid(), "relatedQuery", "tags:Leadership",
		"relatedQuerySignature", fmt.Sprintf("%016x", c.rng.Uint64()), "source", "In-house", "authors",
		[]string{c.person(), c.person()}, "publishDate", c.date(100, 200), "externalDetailUrl",
		"https://" + c.slug + ".example/paths/" + slug, "externalConditionalRedirectUrl",
		"https://" + c.slug + ".example/welcome", "kind", "learningPath", "tabs", brief(i, c.tabs(), "id", "generated"),
		"updatedAt", c.date(151, 299), "dueDate", c.date(650, 700), "dueDateDays", 90, "allowUnorderedMilestoneAccess",
		c.flag(), "authoringClient", c.self[1], "isTemplate", false, "externalPurchaseUrl",
		"https://shop." + c.slug + ".example/buy?item=" + slug + "&qty=1",
	}
	if i > 0 && (c.index+i)%5 == 3 {
		r.set("endDate", nil)
		r.set("fulfillmentCenter", nil)
		return r.without("dueDate", "ribbon")
	}
	return r
}

func (c *content) layout(kind string) record {
	return record{"id", c.uuid(), "kind", kind, "hasEnrollmentWidget", c.flag(), "scripts", "", "widgets",
		record{"columns", 2}}
}

func (c *content) fulfillmentCenter() record {
	return record{
		"id", c.uuid(), "name", "Print room", "address1", "1 Mill Lane", "address2", "Unit 4", "city", c.pick(cities),
		"country", "GB", "latitude", "51.2788", "longitude", "1.0802", "state", "Kent", "zipCode", "CT1 9ZZ",
	}
}

func (c *content) tabs() record {
	return record{"id", c.uuid(), "generated", false, "tabs", list{{
		"id", c.uuid(), "label", "Instructors", "tabType", "instructors", "body", "<p>Your team</p>",
		"instructors", list{{"fullName", c.person(), "bio", "Twenty years in the field.", "asset", c.asset("face")}},
		"products",
		list{{"id", c.uuid(), "name", "Workbook", "priceInCents", 1500, "purchasable", true, "status", "published"}},
	}}}
}

// milestones lead through the client's own courses, then to an assessment.
func (c *content) milestones(i int, path record) list {
	var required, items list
	for _, ref := range c.courseRefs[:min(2, len(c.courseRefs))] {
		required = append(required, record{
			"id", c.uuid(), "contentId", ref[1], "contentTitle", ref[3], "contentGrouping", "course", "requirement", "required",
			"hideCourseDescription", false, "altDescriptionBody", "<p>Start here.</p>",
		})
		items = append(items, record{"id", ref[1], "title", ref[3], "slug", ref[5], "kind", "course", "isActive", true})
	}
	if i > 0 {
		return list{{"id", c.uuid(), "name", "Learn the basics", "kind", "content", "requirement", "required", "learningPath",
			path, "milestoneCourses", required}}
	}
	return list{
		{"id", c.uuid(), "name", "Learn the basics", "kind", "content", "requirement", "required",
			"completionCriteriaDescription", "Finish every course", "releaseDate", c.date(300, 320), "releaseDays", 0,
			"learningPath", path, "milestoneCourses", required, "contentItems", items, "completionCriteria",
			list{{"id", c.uuid(), "type", "requiredCourses", "threshold", len(required), "awardType", c.award()}}},
		{"id", c.uuid(), "name", "Show what you know", "kind", "competencyAssessment", "requirement", "elective",
			"releaseDays", 30, "learningPath", path, "milestoneCompetencyAssessment", record{
				"id", c.uuid(), "title", "Final check", "subtitle", "20 questions", "type", "assessment", "displayType", "image",
				"competencyAssessmentId", c.uuid(), "allowRetakes", true, "passingScoreRequired", true, "requirement", "required",
				"buttonText", "Begin", "asset", c.asset("check"), "smallAsset", c.asset("check-s"), "largeAsset",
				c.asset("check-l"),
			}},
	}
}
