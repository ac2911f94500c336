package emulator_test

// The fields that the backend documents, with their types.
const (
	clientFields = `
id:ID! name:String! schoolName:String courses:[Course!] learningPaths:[LearningPath!] learningPathIds:[ID!]
courseIds:[ID!] courseTags:[Tag!] courseTagIds:[ID!] purchasableContentIds:[ID!] purchasableTagIds:[UUID]
purchasableTags:[Tag!] licenseEndDate:Date primaryLicense:License allocatedCredits:Float
appearance:AppearanceSettings autoFilterForSelectedLanguage:Boolean catalog:CatalogSettings
clientAdminAllocatableLearningPaths:[ID!]! clientSubscriptionNeedsSetup:Boolean createdAt:Date
currentBalance:Float currentUserManagerAllocatedLicenseTree:[LicenseNode!] customHost:String
dashboardLayoutId:ID defaultLanguage:String disabled:Boolean! emailLayout:EmailLayoutSettings
enableBranding:Boolean! enableCommunitiesSegmentation:Boolean enableContentDetailPage:Boolean
enableCreditPurchasing:Boolean enableCustomEmailSettings:Boolean enableDiscussions:Boolean
enableEcommerce:Boolean! enableGlobalLinks:Boolean! enableLicenseDashboards:Boolean enableNavLinks:Boolean!
enableOnboardingSurvey:Boolean! enableRecommendationAssessment:Boolean enableSegmentation:Boolean!
languageSelectorEnabled:Boolean languages:[String!] licenseTree:[LicenseNode!] licenses:[License!]
notificationEmails:String panorama:Boolean! pendingJobs:[BackgroundJob] redemptionLayoutId:ID
seatsAllocatedCount:Int seatsLimit:Int seatsUsedCount:Int secretKey:String sku:String slug:Slug!
sso:SSOSettings startingBalance:Float tags:[Tag!] updatedAt:Date
`
	licenseFields = `
id:ID! name:String! label:String sku:String client:Client createdAt:Date updatedAt:Date accessDays:Int
expirationDate:Date seatsLimit:Int dashboardLayoutId:ID enableBranding:Boolean schoolName:String
isDefault:Boolean learningPaths:[LearningPath!] learningPathIds:[ID!] appearance:AppearanceSettings
courses:[Course!] courseIds:[ID!] courseTags:[Tag!] courseTagIds:[ID!] parentLicense:License
childLicenses:[License!] parentLicenseId:ID ref1:String ref2:String ref3:String ref4:String ref5:String
ref6:String ref7:String ref8:String ref9:String ref10:String
`
	courseFields = `
id:ID! createdAt:Date updatedAt:Date slug:Slug! status:Status title:String sessionIsTitled:Boolean!
sampleLesson:Lesson sampleLessonId:ID sections:[Section] appearanceBlock:ID appearanceHash:String
paywallsBlock:ID termsBlock:ID confirmationBlock:ID courseStartDate:Date courseEndDate:Date
enrollmentStartDate:Date enrollmentEndDate:Date gracePeriodEndDate:Date seatsLimit:Int waitlistCount:Int
seatsLimitMet:Boolean! waitlistingEnabled:Boolean! waitlistingTriggered:Boolean! taxable:Boolean
purchasable:Boolean! taxCategory:ID fulfillmentCenter:ID courseGroup:CourseGroup syllabusTitlesEnabled:Boolean
galleryEnabled:Boolean workbookEnabled:Boolean linkedWorkbookEnabled:Boolean linkedWorkbookSkipEnabled:Boolean
superquizEnabled:Boolean discussionsEnabled:Boolean resourcesEnabled:Boolean meetingsOverviewEnabled:Boolean
recurrenceRule:String recurrence:JSON readableRecurrenceString:String instructorAccessEnabled:Boolean
instructorEmails:[String] freeWithRegistration:Boolean priceInCents:Int instructorAccessPriceInCents:Int
suggestedRetailPriceInCents:Int alternativePricingType:AlternativePricingType alternativePricingRef:Int
accessDays:Int showProgress:Boolean annotationsEnabled:Boolean forceLinearProgress:Boolean
completionTimePerPage:Int askLearnerPassword:Boolean roster:Boolean topicGroupId:ID sku:String
prerequisiteCourses:[Course] prerequisiteLearningPaths:[LearningPath] parentCourseId:ID isChild:Boolean
hasMultipleCurrencies:Boolean! prices:[ItemPrice!]! enrollmentActive:Boolean waitlistActive:Boolean
webinarDates:[DateRange] webinarTimeZone:String meetings:[Meeting!] inPersonEventInfo:InPersonEventInfo
currentUserHasAccess:Boolean! location:Location displayMap:Boolean! publishDate:Date isActive:Boolean!
futurePublishDate:Date balanceRequirement:Float awardClaimingOptions:[CourseAwardClaimingOption!]
availabilityStatus:String embeddedEnabled:Boolean displayResults:Boolean! bulkPurchasingEnabled:Boolean!
seatTiers:[SeatTier!] seatPackages:[SeatPackage!] lastTierPriceInCents:Int webinarId:String
hasChildren:Boolean! customFields:JSON kind:CourseGroupKind rosterSubmittedDate:Date finalAssessment:String
scormCollectUserDetails:Boolean seatsUsedCount:Int! seatsAllocatedCount:Int! webinarDetails:WebinarBlock
showSyllabusWhileUnenrolled:Boolean topicGroup:TopicGroup courseGroupTitle:String currentUserDueDate:Date
`
	learningPathFields = `
id:ID! layoutId:ID layout:Layout learnerLayoutId:ID learnerLayout:Layout name:String! sku:String ribbon:Ribbon
slug:Slug! client:Client createdAt:Date metaTitle:String metaDescription:String asset:URL assetAltText:String
assetLibraryId:UUID detailAsset:URL detailAssetAltText:String detailAssetLibraryId:UUID heroAsset:URL
heroAssetAltText:String priceInCents:Int suggestedRetailPriceInCents:Int
alternativePricingType:AlternativePricingType alternativePricingRef:Int accessDays:Int shortDescription:String
longDescription:String tags:[Tag] status:Status! freeWithRegistration:Boolean hasMultipleCurrencies:Boolean!
prices:[ItemPrice!]! customFields:JSON contentType:String confirmationHtml:String startDate:Date endDate:Date
enrollmentStartDate:Date enrollmentEndDate:Date milestones:[Milestone] availabilityStatus:String
currentUserStartActionDate:Date isPayAsYouGo:Boolean language:String futurePublishDate:Date
purchasable:Boolean! taxable:Boolean fulfillmentCenter:FulfillmentCenter taxCategory:ID
currentUserPendingCertificate:Boolean! currentUserEarnedCertificate:Boolean! currentUserDueDate:Date
bulkPurchasingEnabled:Boolean! seatTiers:[SeatTier!] seatPackages:[SeatPackage!] lastTierPriceInCents:Int
prerequisiteCourses:[Course] prerequisiteLearningPaths:[LearningPath] resourceType:String! seatsLimit:Int
videoAsset:ID relatedQuery:String relatedQuerySignature:String source:String authors:[String!]
publishDate:Date externalDetailUrl:String externalConditionalRedirectUrl:String kind:String
tabs:LearningPathTabs updatedAt:Date dueDate:Date dueDateDays:Int allowUnorderedMilestoneAccess:Boolean
authoringClient:ID isTemplate:Boolean externalPurchaseUrl:String
`
	tagFields = `
id:ID! label:String isFolder:Boolean! updatedAt:Date description:String
`
)
