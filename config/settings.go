package config

import (
	"cmp"
	"strings"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/upstream"
)

// Setting is one line of the list of settings, which flags, environment, file, help and documentation share.
type Setting struct {
	// Name is that of the environment. The flag is the same in lower case with dashes, the name in a file with
	// underscores.
	Name, Default, Usage string
	// Group is the part of the file and of the help that it belongs to.
	Group string
	// Secret values are never shown and can come from the file that NAME_FILE names.
	Secret bool
	// Switch needs no value on the command line.
	Switch bool
	// Choices are the only values; empty where there are others.
	Choices []string

	// list values are several with commas.
	list bool
	// number values are whole numbers.
	number bool
	// upstream settings locate the backends; -demo ignores them.
	upstream bool
	// reread secrets are taken again from their file when it changes, as those of backends are.
	reread bool
	// demo is the value that -demo sets in any case: no credentials are needed and every feature is on.
	demo string
	// set takes a value over into the configuration that the setting belongs to. Its error describes a valid value,
	// beginning with "must".
	set func(string) error
}

// Group is a topic of settings.
type Group struct {
	Name, Title string
	settings    func(*Config) []Setting
}

// Groups returns the topics in order.
func Groups() []Group {
	return []Group{
		{"server", "Server", (*Config).serverSettings},
		{"thoughtindustries", "Thought Industries", (*Config).thoughtIndustriesSettings},
		{"coassemble", "Coassemble", (*Config).coassembleSettings}, {"mattr", "MATTR", (*Config).mattrSettings},
		{"links", "Joining the backends", (*Config).linkSettings}, {"cache", "Cache", (*Config).cacheSettings},
		{"limits", "Limits", (*Config).limitSettings}, {"callers", "Callers and documents", (*Config).callerSettings},
		{"operating", "Operating", (*Config).operatingSettings},
	}
}

// Settings returns the list of settings, in order of their groups.
func Settings() []Setting { return new(Config).settings() }

// settings are those that set a field of c.
func (c *Config) settings() (all []Setting) {
	for _, g := range Groups() {
		for _, s := range g.settings(c) {
			s.Group = g.Name
			all = append(all, s)
		}
	}
	return all
}

func (c *Config) serverSettings() []Setting {
	return []Setting{
		address("LISTEN", "127.0.0.1:8080", "Address to serve on.", &c.Listen),
		text("TLS_CERT_FILE", "",
			"Certificate with its chain in PEM, read again when the file changes; plain HTTP unless set.", &c.TLSCert),
		text("TLS_KEY_FILE", "", "Key of TLS_CERT_FILE in PEM.", &c.TLSKey),
		count("REPLICAS", "1",
			"Number of processes that share the backends' limits; without Redis each uses its share of every rate.",
			&c.Replicas),
		inDemo("0s",
			span("SHUTDOWN_DELAY", "1s",
				"Time that a stopping server still serves requests while /readyz is 503.", &c.ShutdownDelay)),
		duration("SHUTDOWN_TIMEOUT", "10s", "Maximum time for requests in flight once no new connection is accepted.",
			&c.ShutdownTimeout),
		inDemo("true", boolean("INTROSPECTION", "false",
			"Answer introspection, serve /schema.graphqls and suggest names in errors.", &c.Introspection)),
		inDemo("true", boolean("EXPLORER", "false", "Serve the query page at /.", &c.Explorer)),
		inDemo("true", boolean("EXPLAIN", "false", "Show extensions.explain to callers that send X-Learngraph-Explain: 1.",
			&c.Explain)),
		inDemo("true", boolean("ALLOW_DELETES", "false", "Allow the three delete mutations.", &c.AllowDeletes)),
		boolean("FEDERATION", "false", "Serve _service and _entities, as a subgraph of Apollo Federation.", &c.Federation),
		origins("CORS_ORIGINS",
			"Origins of pages that may call, with commas, such as https://app.example; * for any. Origins of this machine are always allowed with -demo or a LISTEN on loopback.", &c.Origins),
		headerNames("CORS_HEADERS",
			"Request headers that pages of other origins may also send, with commas; those of the API and of well-known clients are allowed.", &c.OriginHeaders),
		networks("TRUSTED_PROXIES",
			"Addresses or networks of proxies in front, with commas, such as 10.0.0.0/8; the log has the caller's address from their X-Forwarded-For.", &c.TrustedProxies),
		boolean("PUBLIC_CATALOG", "false", "Let shared HTTP caches store answers with data of Thought Industries only.",
			&c.PublicCatalog),
		tagHeader("CDN_TAG_HEADER",
			"Header with the tags of answers that shared caches may store, such as Cache-Tag, Surrogate-Key or xkey; none unless set.", &c.CDN.TagHeader),
		purgeURL("CDN_PURGE_URL",
			"URL to purge tags from shared caches; {tag} or {tags} in it are replaced; nothing is purged unless set.",
			&c.CDN.PurgeURL),
		webhookSecret("CDN_PURGE_TOKEN", "Credential for CDN_PURGE_URL.", &c.CDN.PurgeToken),
		span("CDN_BROWSER_TTL", "10s",
			"Maximum time that a browser may cache an answer with tags, since no purge reaches it.", &c.CDN.BrowserTTL),
	}
}

func (c *Config) thoughtIndustriesSettings() []Setting {
	return append([]Setting{
		upstreamURL("THOUGHTINDUSTRIES_URL", "", "Base URL of the instance, without /incoming/v2.", &c.ThoughtIndustries.URL),
		credential("THOUGHTINDUSTRIES_API_KEY", "API key, sent as a bearer token.", &c.ThoughtIndustriesKey),
		webhookSecret("THOUGHTINDUSTRIES_WEBHOOK_SECRET",
			"Signing secret of its webhook; /webhooks/thoughtindustries is served if set.", &c.ThoughtIndustriesWebhook),
	}, backendSettings("THOUGHTINDUSTRIES", "60/1m,1000/1h", "5", "20s", &c.ThoughtIndustries)...)
}

func (c *Config) coassembleSettings() []Setting {
	return append([]Setting{
		upstreamURL("COASSEMBLE_URL", "https://api.coassemble.com/api", "Base URL of the API.", &c.Coassemble.URL),
		credential("COASSEMBLE_AUTHORIZATION", "Whole value of the Authorization header.", &c.CoassembleAuthorization),
		webhookSecret("COASSEMBLE_WEBHOOK_SECRET",
			"Signing secret of its webhook; /webhooks/coassemble is served if set.", &c.CoassembleWebhook),
	}, backendSettings("COASSEMBLE", "100/1m", "10", "10s", &c.Coassemble)...)
}

func (c *Config) mattrSettings() []Setting {
	return append([]Setting{
		upstreamURL("MATTR_URL", "", "Base URL of the tenant.", &c.MATTR.URL),
		ofBackend(text("MATTR_PATH_PREFIX", "/core/v1", "Path before /users.", &c.MATTRPathPrefix)),
		upstreamURL("MATTR_TOKEN_URL", "", "URL of the OAuth2 token endpoint.", &c.MATTRTokenURL),
		ofBackend(text("MATTR_CLIENT_ID", "", "OAuth2 client id.", &c.MATTRClientID)),
		credential("MATTR_CLIENT_SECRET", "OAuth2 client secret.", &c.MATTRClientSecret),
		ofBackend(text("MATTR_AUDIENCE", "", "OAuth2 audience; MATTR_URL unless set.", &c.MATTRAudience)),
		credential("MATTR_TOKEN", "Fixed bearer token in place of the OAuth2 client.", &c.MATTRToken),
		keySet("MATTR_WEBHOOK_JWKS",
			"URL or file of the key set that signs the tenant's webhooks; /webhooks/mattr is served if it and MATTR_WEBHOOK_ID are set.", &c.MATTRWebhookJWKS),
		text("MATTR_WEBHOOK_ID", "", "Id of the webhook at MATTR.", &c.MATTRWebhookID),
	}, backendSettings("MATTR", "600/1m", "20", "10s", &c.MATTR)...)
}

// backendSettings are the settings that the three backends share.
func backendSettings(prefix, rate, concurrency, timeout string, to *Backend) []Setting {
	return []Setting{
		inDemo("0", rates(prefix+"_RATE", rate,
			"Maximum number of calls in a rolling window as COUNT/DURATION, several with commas; 0 for no limit.", &to.Rates)),
		count(prefix+"_CONCURRENCY", concurrency, "Maximum number of calls to the backend at once.", &to.Concurrency),
		duration(prefix+"_TIMEOUT", timeout, "Maximum time of one call.", &to.Timeout),
		inDemo("false", boolean(prefix+"_GZIP", "true", "Ask the backend for compressed answers.", &to.Gzip)),
	}
}

func (c *Config) linkSettings() []Setting {
	return []Setting{
		choice("LINK_CLIENT", "id", "Field of the client that is Coassemble's clientIdentifier: id, slug or sku.",
			[]string{"id", "slug", "sku"}, &c.Link.Client),
		linkUser("LINK_USER", "subjectId",
			"Field of the identity that is the user's identifier: subjectId, id or claims.KEY.", &c.Link.User),
		text("LINK_USER_PROVIDER", "", "The providerId that a subjectId must belong to; any unless set.",
			&c.Link.UserProvider),
	}
}

func (c *Config) cacheSettings() []Setting {
	redis := cmp.Or(c.Cache.Redis, &cache.RedisOptions{}) // which are of no use without Redis
	return []Setting{
		span("CACHE_TTL", "60s", "Time that an answer of a backend is fresh; 0 disables caching across operations.",
			&c.Cache.TTL),
		span("CACHE_STALE", "10m", "Time that an answer may be served stale, while it is refreshed.", &c.Cache.Stale),
		span("CACHE_NEGATIVE", "10s", "Time that the absence of a record is cached.", &c.Cache.Negative),
		size("CACHE_MEMORY", "128MiB",
			"Maximum memory of the caches in the process, with overhead; at most half of the memory limit unless set.",
			&c.Cache.Memory),
		boolean("COALESCE", "true", "Share calls and executions in flight between operations of the same scope.",
			&c.Cache.Coalesce),
		redisURL("REDIS_URL",
			"URL of Redis, redis:// or rediss://; with master_name= Sentinel, with addr= Cluster; the cache is in memory alone unless set.", &redis.URL),
		redisKeys("REDIS_KEY",
			"Keys of 32 bytes in base64 or hexadecimal, with commas: the first encrypts values in Redis, all decrypt them.",
			&redis.Keys),
		redisIssuers("REDIS_CA_FILE", "PEM file with the issuers of Redis's certificate; those of the system unless set.",
			&redis.RootCAs),
		redisPrefix("REDIS_PREFIX", "lg:",
			"Prefix of every key and channel in Redis; installations with different prefixes can share a Redis.", &redis.Prefix),
		duration("REDIS_TIMEOUT", "20ms", "Maximum time that an operation waits for one round trip to Redis.",
			&redis.Timeout),
	}
}

func (c *Config) limitSettings() []Setting {
	return []Setting{
		duration("OPERATION_TIMEOUT", "15s", "Maximum time of one operation.", &c.OperationTimeout),
		count("OPERATION_CALLS", "10000",
			"Maximum number of backend calls of one operation; the default fits MAX_COST.", &c.OperationCalls),
		size("OPERATION_BYTES", "512MiB", "Maximum number of bytes that one operation may receive from backends.",
			&c.OperationBytes),
		size("UPSTREAM_MAX_BODY", "64MiB",
			"Maximum size of a backend's answer, decompressed; at most an eighth of the memory limit unless set.",
			&c.UpstreamMaxBody),
		count("MAX_INFLIGHT", "1000", "Maximum number of requests in flight; one more is answered with 503.", &c.MaxInflight),
		size("MAX_INFLIGHT_BYTES", "512MiB",
			"Maximum memory of requests in flight, past which one is answered with 503; at most a quarter of the memory limit unless set.",
			&c.InflightBytes),
		subscriptions("SUBSCRIPTIONS", "100,10000",
			"Maximum number of open subscriptions, for one caller and in total; 0 for none.", &c.Subscriptions),
		amount("BATCH_LIMIT", "10", "Maximum number of operations in one request; 0 accepts no arrays.", &c.BatchLimit),
		// An estimate takes every list for full and every call for made. A page of 25 clients with users, identities and
		// credentials, 25 a list unless the query sets less, is estimated at 210,000 points; the same with 100 a list, at
		// sixteen times that, is refused. OPERATION_CALLS is as many calls as these points buy: an admitted operation does
		// not fail in part.
		amount("MAX_COST", "1000000",
			"Maximum estimated cost of one operation in points; 0 for no limit.", &c.MaxCost),
		choice("COST_MODE", "enforce",
			"Use of the estimated cost: enforce refuses operations, measure only reports, off estimates nothing.",
			[]string{"enforce", "measure", "off"}, &c.CostMode),
		amount("POINTS", "0", "Size of each caller's bucket of points; 0 for no bucket.", &c.Points),
		amount("POINTS_RESTORE", "1000", "Points that each bucket regains per second.", &c.PointsRestore),
	}
}

func (c *Config) callerSettings() []Setting {
	return []Setting{
		choice("AUTH", "none",
			"Authentication of callers: none, keys, jwt or keys,jwt; none must be set explicitly unless LISTEN is a loopback address.",
			[]string{"none", "keys", "jwt", "keys,jwt"}, &c.Auth),
		text("API_KEYS_FILE", "",
			"JSON file with a list of keys: name, sha256, scopes, clients, points; read again when it changes.", &c.APIKeysFile),
		keySet("JWT_JWKS", "URL or file of the key set that signs tokens.", &c.JWKS),
		text("JWT_ISSUER", "", "Required iss of a token.", &c.JWTIssuer),
		text("JWT_AUDIENCE", "", "Required value in aud of a token.", &c.JWTAudience),
		several("JWT_ALGORITHMS", "Accepted signature algorithms of tokens, with commas; "+
			strings.Join(auth.DefaultAlgorithms, " and ")+" unless set.", auth.Algorithms, &c.JWTAlgorithms),
		text("JWT_TYPE", "", "Required typ of a token, such as at+jwt; any unless set.", &c.JWTType),
		text("JWT_SCOPES_CLAIM", "", "Claim with the scopes of a token; the first of scope, scp and permissions unless set.",
			&c.JWTScopesClaim),
		text("JWT_CLIENTS_CLAIM", "", "Claim that binds a token to clients; no token is bound unless set.",
			&c.JWTClientsClaim),
		text("TRUSTED_DOCUMENTS", "", "Manifest of trusted documents, or a folder of manifests; read again when it changes.",
			&c.TrustedDocuments),
		choice("TRUSTED_MODE", "off",
			"Treatment of a document that is not in TRUSTED_DOCUMENTS: off runs it, log runs and logs it, only refuses it.",
			[]string{"off", "log", "only"}, &c.TrustedMode),
	}
}

func (c *Config) operatingSettings() []Setting {
	return []Setting{
		choice("LOG_FORMAT", "", "Format of the log: json or text; text on a terminal and json elsewhere unless set.",
			[]string{"json", "text"}, &c.LogFormat),
		choice("LOG_LEVEL", "info", "Minimum level of the log: debug, info, warn or error; debug includes probes.",
			[]string{"debug", "info", "warn", "error"}, &c.LogLevel),
		address("METRICS_LISTEN", "",
			"Address of /metrics, /status, /contract and /purge, and of /healthz and /readyz for probes; none unless set.",
			&c.MetricsListen),
		several("TRACE_BACKENDS", "Backends that receive the trace's headers, with commas.", backendNames(),
			&c.TraceBackends),
		text("CAPTURE_DIR", "",
			"Folder for operations captured with X-Learngraph-Capture: 1; needs EXPLAIN, and AUTH or a LISTEN on loopback.",
			&c.CaptureDir),
	}
}

func backendNames() []string {
	return []string{string(upstream.ThoughtIndustries), string(upstream.Coassemble), string(upstream.MATTR)}
}
