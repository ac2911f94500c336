package emulator

import "fmt"

// course writes the hundred members of one course.
func (c *content) course(i int) record {
	ref := c.courseRefs[i]
	id, title, slug := ref[1].(string), ref[3].(string), ref[5].(string)
	kind := kinds[(c.index+i)%len(kinds)]
	lesson := c.lesson(0)
	location := record{
		"id", c.uuid(), "name", "Training Centre " + c.pick(cities), "address1",
		fmt.Sprintf("%d Queen Street", c.between(1, 200)), "address2", "Floor 2", "city", c.pick(cities), "country", "GB",
		"room", "B 1.07", "state", "Kent", "timeZone", "Europe/London", "zipCode", "CT1 2AB",
	}
	parent := c.uuid()
	if i%6 == 5 {
		parent = c.courseIDs[i-1]
	}
	start, end := c.date(300, 400), c.date(401, 600)
	price := c.cents()
	r := record{
		"id", id, "createdAt", c.date(0, 150), "updatedAt", c.date(151, 299), "slug", slug, "status",
		[]string{"published", "published", "published", "draft", "published", "archived"}[(c.index+i)%6], "title", title,
		"sessionIsTitled", c.flag(), "sampleLesson",
		brief(i, append(lesson[:len(lesson):len(lesson)], "section",
			record{"id", c.uuid(), "slug", "getting-started", "title", "Getting started"}), "id", "title"), "sampleLessonId",
		lesson[1], "sections", c.sections(i, lesson), "appearanceBlock", c.uuid(), "appearanceHash",
		fmt.Sprintf("%08x", c.rng.Uint32()), "paywallsBlock", c.uuid(), "termsBlock", c.uuid(), "confirmationBlock", c.uuid(),
		"courseStartDate", start, "courseEndDate", end, "enrollmentStartDate", c.date(200, 250), "enrollmentEndDate",
		c.date(251, 299), "gracePeriodEndDate", c.date(601, 630), "seatsLimit", c.between(5, 60), "waitlistCount",
		c.between(0, 9), "seatsLimitMet", c.flag(), "waitlistingEnabled", c.flag(), "waitlistingTriggered", false, "taxable",
		c.flag(), "purchasable", c.flag(), "taxCategory", c.uuid(), "fulfillmentCenter", c.uuid(), "courseGroup",
		brief(i, c.courseGroup(c.uuid(), ref, kind), "id", "slug", "kind", "rating"), "syllabusTitlesEnabled", c.flag(),
		"galleryEnabled", c.flag(), "workbookEnabled", c.flag(), "linkedWorkbookEnabled", c.flag(),
		"linkedWorkbookSkipEnabled", false, "superquizEnabled", c.flag(), "discussionsEnabled", c.flag(), "resourcesEnabled",
		c.flag(), "meetingsOverviewEnabled", c.flag(), "recurrenceRule", "FREQ=WEEKLY;BYDAY=TU;COUNT=4", "recurrence",
		record{"frequency", "weekly", "count", 4}, "readableRecurrenceString", "every Tuesday, 4 times",
		"instructorAccessEnabled", c.flag(), "instructorEmails", []string{fmt.Sprintf("tutor%d@mail.example", i+1)},
		"freeWithRegistration", c.flag(), "priceInCents", price, "instructorAccessPriceInCents", price / 2,
		"suggestedRetailPriceInCents", price + 1000, "alternativePricingType", "membership", "alternativePricingRef",
		c.between(1, 3), "accessDays", 90, "showProgress", true, "annotationsEnabled", c.flag(), "forceLinearProgress",
		c.flag(), "completionTimePerPage", c.between(5, 60), "askLearnerPassword", false, "roster", c.flag(), "topicGroupId",
		c.uuid(), "sku", fmt.Sprintf("CRS-%05d-%03d", 10001+c.index, i+1), "prerequisiteCourses",
		list{brief(i, c.another(c.courseRefs, i, "title"), "id", "title")}, "prerequisiteLearningPaths",
		list{brief(i, c.another(c.pathRefs, i, "name"), "id", "name")}, "parentCourseId", parent, "isChild", true,
		"hasMultipleCurrencies", true, "prices", c.prices(i, price), "enrollmentActive", c.flag(), "waitlistActive", c.flag(),
		"webinarDates", list{brief(i, record{"startDate", start, "endDate", end}, "startDate")}, "webinarTimeZone",
		"Pacific/Auckland", "meetings", list{brief(i, c.meeting(id, start, end, location), "id", "startDate", "endDate")},
		"inPersonEventInfo", brief(i, record{"heroAsset", c.asset("hero"), "subtitle", "Coffee from 8:30"}, "subtitle"),
		"currentUserHasAccess", false, "location", brief(i, location, "id", "name", "city"), "displayMap", c.flag(),
		"publishDate", c.date(100, 200), "isActive", true, "futurePublishDate", c.date(700, 800), "balanceRequirement",
		float64(c.between(1, 40)) / 4, "awardClaimingOptions", c.awards(i), "availabilityStatus",
		c.pick([]string{"available", "comingSoon", "waitlist"}), "embeddedEnabled", c.flag(), "displayResults", c.flag(),
		"bulkPurchasingEnabled", c.flag(), "seatTiers", list{{"priceInCents", price * 4 / 5, "seats", 10}}, "seatPackages",
		list{{"seats", 25}}, "lastTierPriceInCents", price * 4 / 5, "webinarId",
		fmt.Sprintf("%d", c.between(100000000, 999999999)), "hasChildren", c.flag(), "customFields",
		record{"cpdHours", c.between(1, 12), "audience", []string{"staff", "partners"}, "level", "B1"}, "kind", kind,
		"rosterSubmittedDate", c.date(610, 640), "finalAssessment", c.uuid(), "scormCollectUserDetails", c.flag(),
		"seatsUsedCount", c.between(0, 60), "seatsAllocatedCount", c.between(0, 60), "webinarDetails",
		c.webinar(i, start, end), "showSyllabusWhileUnenrolled", c.flag(), "topicGroup",
		brief(i, c.topicGroup(), "id", "companyId"), "courseGroupTitle", title, "currentUserDueDate", c.date(640, 700),
		"legacyRef", 4000 + i,
	}
	if i%4 == 0 {
		r = append(r, "internalNotes", "Reviewed by "+c.person()+", ref "+c.secret("internalNotes"))
	}
	return c.thinCourse(r, i)
}

// thinCourse leaves out the members that one course in five, never a client's first, has never filled in.
func (c *content) thinCourse(r record, i int) record {
	if i == 0 || (c.index+i)%5 != 3 {
		return r
	}
	for _, name := range []string{"courseEndDate", "seatsLimit", "customFields", "sampleLesson", "gracePeriodEndDate",
		"inPersonEventInfo"} {
		r.set(name, nil)
	}
	return r.without("webinarId", "finalAssessment", "rosterSubmittedDate", "topicGroup", "termsBlock")
}

func (c *content) lesson(n int) record {
	title := lessonTitles[(c.rng.IntN(4)+n)%len(lessonTitles)]
	return record{
		"id", c.uuid(), "slug", slugOf(title), "slugOrId", slugOf(title), "title", title, "accessLevel",
		c.pick([]string{"emailCaptureOpen", "open", "studentsOnly"}), "topics", list{{"id", c.uuid(), "title", "Page 1"}},
	}
}

func (c *content) sections(i int, first record) list {
	if i > 0 {
		return list{{"id", c.uuid(), "slug", "start", "lessons", list{first.only("id", "title")}}}
	}
	return list{
		{"id", c.uuid(), "slug", "getting-started", "status", "published", "title", "Getting started", "lessons",
			list{first, c.lesson(1)}},
		{"id", c.uuid(), "slug", "going-further", "status", "draft", "title", "Going further", "lessons", list{c.lesson(4)}},
	}
}

func (c *content) courseGroup(id string, course record, kind string) record {
	title := course[3].(string)
	return record{
		"id", id, "slug", course[5], "title", title, "kind", kind, "language", c.pick(languages), "createdAt", c.date(0, 100),
		"description", "<p>" + title + " for <strong>" + c.name + "</strong> staff.</p>", "asset", c.asset("group"),
		"authors", []string{c.person()}, "rating", c.between(1, 5), "ratingsCount", c.between(0, 300), "ribbon", "new",
		"ownedByActiveScope", true, "hasParentCourseGroup", false, "contentType",
		record{"kind", kind, "label", "Course", "assetAspectRatio", "16:9"}, "displayCourse", course, "courses", list{course},
		"tags", list{record(c.tags[0][:4])}, "tabs",
		list{{"id", c.uuid(), "label", "About", "tabType", "about", "body", "<p>What you will learn</p>"}},
	}
}

func (c *content) prices(i, cents int) list {
	if i > 0 {
		return list{{"id", c.uuid(), "currencyCode", "USD", "priceInCents", cents, "variations", list{}}}
	}
	return list{
		{"id", c.uuid(), "currencyCode", "USD", "priceInCents", cents, "annualPriceInCents", cents * 10,
			"instructorAccessPriceInCents", cents / 2, "suggestedRetailPriceInCents", cents + 1000, "variations",
			list{{"label", "Member", "priceInCents", cents * 9 / 10}}},
		{"id", c.uuid(), "currencyCode", "EUR", "priceInCents", cents * 9 / 10, "variations", list{}},
	}
}

func (c *content) meeting(course, start, end string, location record) record {
	return record{
		"id", c.uuid(), "title", "Kick-off", "courseId", course, "startDate", start, "endDate", end, "timeZone",
		"Europe/London", "attendeeInfo", "Bring a photo ID.", "instructors", []string{c.person()}, "locationId", location[1],
		"location", record(location[:4]),
	}
}

func (c *content) webinar(i int, start, end string) record {
	r := record{
		"id", c.uuid(), "webinarProvider", "zoom", "organizerDialIn", c.secret("organizerDialIn"),
	}
	if i > 0 {
		return append(r, "webinarDates",
			list{{"startTime", start, "endTime", end, "zoomOccurrenceKey", c.secret("zoomOccurrenceKey")}})
	}
	dates := list{{
		"startTime", start, "endTime", end, "meeting", c.uuid(), "goToTrainingKey", c.secret("goToTrainingKey"),
		"goToWebinarKey", c.secret("goToWebinarKey"), "webexTrainingSessionKey", c.secret("webexTrainingSessionKey"),
		"zoomOccurrenceKey", c.secret("zoomOccurrenceKey"),
	}}
	return append(r, "webinarType", "meeting", "joinUrl", fmt.Sprintf("https://meet.example/j/%d", c.between(1e8, 9e8)),
		"timeZone", "Pacific/Auckland", "attendeeDialIn", "+64 9 555 0123", "webexSessionPassword",
		c.secret("webexSessionPassword"), "coOrganizers", []string{c.person()}, "enableAutoRecording", c.flag(),
		"retrieveRecording", c.flag(), "recurrence", record{"type", 2}, "webexDescription", "Live session", "webexLabName",
		"Lab 3", "webexNumComputers", 12, "webexReserveHOL", false, "webinarDates", dates, "originalWebinarDates", dates)
}

func (c *content) awards(i int) list {
	award := c.award()
	if i > 0 {
		return list{{"awardTypeId", award[1], "range", "0.5-1"}}
	}
	return list{{"awardAmounts", []float64{0.5, 1}, "awardType", award, "awardTypeId", award[1], "range", "0.5-1"}}
}

func (c *content) award() record {
	return record{"id", c.uuid(), "label", "CPD hour", "pluralLabel", "CPD hours", "icon", "fullStar", "deleted", false,
		"includeOnDashboard", true}
}

func (c *content) topicGroup() record {
	return record{
		"id", c.uuid(), "companyId", c.uuid(), "categories",
		list{{"kind", "tag", "label", "Topics", "subcategories",
			list{{"label", "Safety", "files", list{}, "topics", list{}}}}},
	}
}
