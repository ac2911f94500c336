package config

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/learngraph/learngraph/auth"
	"github.com/learngraph/learngraph/gateway/cost"
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
	// set takes a value over. Its error describes a valid value, beginning with "must".
	set func(*Config, string) error
}

// Group is a topic of settings.
type Group struct{ Name, Title string }

// Groups returns the topics in order.
func Groups() []Group {
	return []Group{
		{"server", "Server"}, {"thoughtindustries", "Thought Industries"}, {"coassemble", "Coassemble"}, {"mattr", "MATTR"},
		{"links", "Joining the backends"}, {"cache", "Cache"}, {"limits", "Limits"}, {"callers", "Callers and documents"},
		{"operating", "Operating"},
	}
}

// Settings returns the list of settings, in order of their groups.
func Settings() []Setting {
	var all []Setting
	for _, part := range []struct {
		group string
		list  []Setting
	}{
		{"server", serverSettings()}, {"thoughtindustries", thoughtIndustriesSettings()},
		{"coassemble", coassembleSettings()}, {"mattr", mattrSettings()}, {"links", linkSettings()},
		{"cache", cacheSettings()}, {"limits", limitSettings()}, {"callers", callerSettings()},
		{"operating", operatingSettings()},
	} {
		for _, s := range part.list {
			s.Group = part.group
			all = append(all, s)
		}
	}
	return all
}

func serverSettings() []Setting {
	return []Setting{
		address("LISTEN", "127.0.0.1:8080", "Address to serve on.", func(c *Config) *string { return &c.Listen }),
		text("TLS_CERT_FILE", "",
			"Certificate with its chain in PEM, read again when the file changes; plain HTTP unless set.",
			func(c *Config) *string { return &c.TLSCert }),
		text("TLS_KEY_FILE", "", "Key of TLS_CERT_FILE in PEM.", func(c *Config) *string { return &c.TLSKey }),
		count("REPLICAS", "1",
			"Number of processes that share the backends' limits; without Redis each uses its share of every rate.",
			func(c *Config) *int { return &c.Replicas }),
		inDemo("0s",
			span("SHUTDOWN_DELAY", "1s",
				"Time that a stopping server still serves requests while /readyz is 503.",
				func(c *Config) *time.Duration { return &c.ShutdownDelay })),
		duration("SHUTDOWN_TIMEOUT", "10s", "Maximum time for requests in flight once no new connection is accepted.",
			func(c *Config) *time.Duration { return &c.ShutdownTimeout }),
		inDemo("true", boolean("INTROSPECTION", "false",
			"Answer introspection, serve /schema.graphqls and suggest names in errors.", func(c *Config) *bool {
				return &c.Introspection
			})),
		inDemo("true", boolean("EXPLORER", "false", "Serve the query page at /.", func(c *Config) *bool {
			return &c.Explorer
		})),
		inDemo("true", boolean("EXPLAIN", "false", "Show extensions.explain to callers that send X-Learngraph-Explain: 1.",
			func(c *Config) *bool { return &c.Explain })),
		inDemo("true", boolean("ALLOW_DELETES", "false", "Allow the three delete mutations.", func(c *Config) *bool {
			return &c.AllowDeletes
		})),
		boolean("FEDERATION", "false", "Serve _service and _entities, as a subgraph of Apollo Federation.",
			func(c *Config) *bool { return &c.Federation }),
		origins("CORS_ORIGINS",
			"Origins of pages that may call, with commas, such as https://app.example; * for any. Origins of this machine are always allowed with -demo or a LISTEN on loopback.", func(c *Config) *[]string { return &c.Origins }),
		headerNames("CORS_HEADERS",
			"Request headers that pages of other origins may also send, with commas; those of the API and of well-known clients are allowed.", func(c *Config) *[]string { return &c.OriginHeaders }),
		networks("TRUSTED_PROXIES",
			"Addresses or networks of proxies in front, with commas, such as 10.0.0.0/8; the log has the caller's address from their X-Forwarded-For.", func(c *Config) *[]netip.Prefix { return &c.TrustedProxies }),
		boolean("PUBLIC_CATALOG", "false", "Let shared HTTP caches store answers with data of Thought Industries only.",
			func(c *Config) *bool { return &c.PublicCatalog }),
		tagHeader("CDN_TAG_HEADER",
			"Header with the tags of answers that shared caches may store, such as Cache-Tag, Surrogate-Key or xkey; none unless set.", func(c *Config) *string { return &c.CDN.TagHeader }),
		purgeURL("CDN_PURGE_URL",
			"URL to purge tags from shared caches; {tag} or {tags} in it are replaced; nothing is purged unless set.",
			func(c *Config) *string { return &c.CDN.PurgeURL }),
		webhookSecret("CDN_PURGE_TOKEN", "Credential for CDN_PURGE_URL.", func(c *Config) *string {
			return &c.CDN.PurgeToken
		}),
		span("CDN_BROWSER_TTL", "10s",
			"Maximum time that a browser may cache an answer with tags, since no purge reaches it.",
			func(c *Config) *time.Duration { return &c.CDN.BrowserTTL }),
	}
}

func thoughtIndustriesSettings() []Setting {
	return append([]Setting{
		upstreamURL("THOUGHTINDUSTRIES_URL", "", "Base URL of the instance, without /incoming/v2.", func(c *Config) *string {
			return &c.ThoughtIndustries.URL
		}),
		credential("THOUGHTINDUSTRIES_API_KEY", "API key, sent as a bearer token.", func(c *Config) *string {
			return &c.ThoughtIndustriesKey
		}),
		webhookSecret("THOUGHTINDUSTRIES_WEBHOOK_SECRET",
			"Signing secret of its webhook; /webhooks/thoughtindustries is served if set.", func(c *Config) *string {
				return &c.ThoughtIndustriesWebhook
			}),
	}, backendSettings("THOUGHTINDUSTRIES", "60/1m,1000/1h", "5", "20s", func(c *Config) *Backend {
		return &c.ThoughtIndustries
	})...)
}

func coassembleSettings() []Setting {
	return append([]Setting{
		upstreamURL("COASSEMBLE_URL", "https://api.coassemble.com/api", "Base URL of the API.", func(c *Config) *string {
			return &c.Coassemble.URL
		}),
		credential("COASSEMBLE_AUTHORIZATION", "Whole value of the Authorization header.", func(c *Config) *string {
			return &c.CoassembleAuthorization
		}),
		webhookSecret("COASSEMBLE_WEBHOOK_SECRET",
			"Signing secret of its webhook; /webhooks/coassemble is served if set.", func(c *Config) *string {
				return &c.CoassembleWebhook
			}),
	}, backendSettings("COASSEMBLE", "100/1m", "10", "10s", func(c *Config) *Backend { return &c.Coassemble })...)
}

func mattrSettings() []Setting {
	return append([]Setting{
		upstreamURL("MATTR_URL", "", "Base URL of the tenant.", func(c *Config) *string { return &c.MATTR.URL }),
		ofBackend(text("MATTR_PATH_PREFIX", "/core/v1", "Path before /users.", func(c *Config) *string {
			return &c.MATTRPathPrefix
		})),
		upstreamURL("MATTR_TOKEN_URL", "", "URL of the OAuth2 token endpoint.", func(c *Config) *string {
			return &c.MATTRTokenURL
		}),
		ofBackend(text("MATTR_CLIENT_ID", "", "OAuth2 client id.", func(c *Config) *string { return &c.MATTRClientID })),
		credential("MATTR_CLIENT_SECRET", "OAuth2 client secret.", func(c *Config) *string { return &c.MATTRClientSecret }),
		ofBackend(text("MATTR_AUDIENCE", "", "OAuth2 audience; MATTR_URL unless set.", func(c *Config) *string {
			return &c.MATTRAudience
		})),
		credential("MATTR_TOKEN", "Fixed bearer token in place of the OAuth2 client.", func(c *Config) *string {
			return &c.MATTRToken
		}),
		keySet("MATTR_WEBHOOK_JWKS",
			"URL or file of the key set that signs the tenant's webhooks; /webhooks/mattr is served if it and MATTR_WEBHOOK_ID are set.", func(c *Config) *string { return &c.MATTRWebhookJWKS }),
		text("MATTR_WEBHOOK_ID", "", "Id of the webhook at MATTR.", func(c *Config) *string {
			return &c.MATTRWebhookID
		}),
	}, backendSettings("MATTR", "600/1m", "20", "10s", func(c *Config) *Backend { return &c.MATTR })...)
}

// backendSettings are the settings that the three backends share.
func backendSettings(prefix, rate, concurrency, timeout string, backend func(*Config) *Backend) []Setting {
	return []Setting{
		inDemo("0", Setting{Name: prefix + "_RATE", Default: rate,
			Usage: "Maximum number of calls in a rolling window as COUNT/DURATION, several with commas; 0 for no limit.",
			list:  true, set: func(c *Config, v string) (err error) { backend(c).Rates, err = rates(v); return err }}),
		count(prefix+"_CONCURRENCY", concurrency, "Maximum number of calls to the backend at once.", func(c *Config) *int {
			return &backend(c).Concurrency
		}),
		duration(prefix+"_TIMEOUT", timeout, "Maximum time of one call.", func(c *Config) *time.Duration {
			return &backend(c).Timeout
		}),
		inDemo("false", boolean(prefix+"_GZIP", "true", "Ask the backend for compressed answers.", func(c *Config) *bool {
			return &backend(c).Gzip
		})),
	}
}

func linkSettings() []Setting {
	return []Setting{
		choice("LINK_CLIENT", "id", "Field of the client that is Coassemble's clientIdentifier: id, slug or sku.",
			[]string{"id", "slug", "sku"}, func(c *Config) *string { return &c.Link.Client }),
		linkUser("LINK_USER", "subjectId",
			"Field of the identity that is the user's identifier: subjectId, id or claims.KEY."),
		text("LINK_USER_PROVIDER", "", "The providerId that a subjectId must belong to; any unless set.",
			func(c *Config) *string { return &c.Link.UserProvider }),
	}
}

func cacheSettings() []Setting {
	return []Setting{
		span("CACHE_TTL", "60s", "Time that an answer of a backend is fresh; 0 disables caching across operations.",
			func(c *Config) *time.Duration { return &c.Cache.TTL }),
		span("CACHE_STALE", "10m", "Time that an answer may be served stale, while it is refreshed.",
			func(c *Config) *time.Duration { return &c.Cache.Stale }),
		span("CACHE_NEGATIVE", "10s", "Time that the absence of a record is cached.",
			func(c *Config) *time.Duration { return &c.Cache.Negative }),
		size("CACHE_MEMORY", "128MiB",
			"Maximum memory of the caches in the process, with overhead; at most half of the memory limit unless set.",
			func(c *Config) *int64 { return &c.Cache.Memory }),
		boolean("COALESCE", "true", "Share calls and executions in flight between operations of the same scope.",
			func(c *Config) *bool { return &c.Cache.Coalesce }),
		redisURL("REDIS_URL",
			"URL of Redis, redis:// or rediss://; with master_name= Sentinel, with addr= Cluster; the cache is in memory alone unless set."),
		redisKeys("REDIS_KEY",
			"Keys of 32 bytes in base64 or hexadecimal, with commas: the first encrypts values in Redis, all decrypt them."),
		redisIssuers("REDIS_CA_FILE", "PEM file with the issuers of Redis's certificate; those of the system unless set."),
		redisPrefix("REDIS_PREFIX", "lg:",
			"Prefix of every key and channel in Redis; installations with different prefixes can share a Redis."),
		duration("REDIS_TIMEOUT", "20ms", "Maximum time that an operation waits for one round trip to Redis.",
			func(c *Config) *time.Duration { return &c.redis().Timeout }),
	}
}

func limitSettings() []Setting {
	return []Setting{
		duration("OPERATION_TIMEOUT", "15s", "Maximum time of one operation.", func(c *Config) *time.Duration {
			return &c.OperationTimeout
		}),
		count("OPERATION_CALLS", strconv.Itoa(cost.DefaultMax/cost.CallPoints),
			"Maximum number of backend calls of one operation; the default fits MAX_COST.", func(c *Config) *int {
				return &c.OperationCalls
			}),
		size("OPERATION_BYTES", "512MiB", "Maximum number of bytes that one operation may receive from backends.",
			func(c *Config) *int64 {
				return &c.OperationBytes
			}),
		size("UPSTREAM_MAX_BODY", "64MiB",
			"Maximum size of a backend's answer, decompressed; at most an eighth of the memory limit unless set.",
			func(c *Config) *int64 { return &c.UpstreamMaxBody }),
		count("MAX_INFLIGHT", "1000", "Maximum number of requests in flight; one more is answered with 503.",
			func(c *Config) *int {
				return &c.MaxInflight
			}),
		size("MAX_INFLIGHT_BYTES", "512MiB",
			"Maximum memory of requests in flight, past which one is answered with 503; at most a quarter of the memory limit unless set.",
			func(c *Config) *int64 { return &c.InflightBytes }),
		subscriptions("SUBSCRIPTIONS", "100,10000",
			"Maximum number of open subscriptions, for one caller and in total; 0 for none.", func(c *Config) *Subscriptions {
				return &c.Subscriptions
			}),
		amount("BATCH_LIMIT", "10", "Maximum number of operations in one request; 0 accepts no arrays.",
			func(c *Config) *int {
				return &c.BatchLimit
			}),
		amount("MAX_COST", strconv.Itoa(cost.DefaultMax),
			"Maximum estimated cost of one operation in points; 0 for no limit.", func(c *Config) *int {
				return &c.MaxCost
			}),
		choice("COST_MODE", "enforce",
			"Use of the estimated cost: enforce refuses operations, measure only reports, off estimates nothing.",
			[]string{"enforce", "measure", "off"}, func(c *Config) *string { return &c.CostMode }),
		amount("POINTS", "0", "Size of each caller's bucket of points; 0 for no bucket.", func(c *Config) *int {
			return &c.Points
		}),
		amount("POINTS_RESTORE", "1000", "Points that each bucket regains per second.", func(c *Config) *int {
			return &c.PointsRestore
		}),
	}
}

func callerSettings() []Setting {
	return []Setting{
		choice("AUTH", "none",
			"Authentication of callers: none, keys, jwt or keys,jwt; none must be set explicitly unless LISTEN is a loopback address.",
			[]string{"none", "keys", "jwt", "keys,jwt"}, func(c *Config) *string { return &c.Auth }),
		text("API_KEYS_FILE", "",
			"JSON file with a list of keys: name, sha256, scopes, clients, points; read again when it changes.",
			func(c *Config) *string { return &c.APIKeysFile }),
		keySet("JWT_JWKS", "URL or file of the key set that signs tokens.", func(c *Config) *string {
			return &c.JWKS
		}),
		text("JWT_ISSUER", "", "Required iss of a token.", func(c *Config) *string { return &c.JWTIssuer }),
		text("JWT_AUDIENCE", "", "Required value in aud of a token.", func(c *Config) *string { return &c.JWTAudience }),
		several("JWT_ALGORITHMS", "Accepted signature algorithms of tokens, with commas; "+
			strings.Join(auth.DefaultAlgorithms, " and ")+" unless set.", auth.Algorithms, func(c *Config) *[]string {
			return &c.JWTAlgorithms
		}),
		text("JWT_TYPE", "", "Required typ of a token, such as at+jwt; any unless set.", func(c *Config) *string {
			return &c.JWTType
		}),
		text("JWT_SCOPES_CLAIM", "", "Claim with the scopes of a token; the first of scope, scp and permissions unless set.",
			func(c *Config) *string { return &c.JWTScopesClaim }),
		text("JWT_CLIENTS_CLAIM", "", "Claim that binds a token to clients; no token is bound unless set.",
			func(c *Config) *string { return &c.JWTClientsClaim }),
		text("TRUSTED_DOCUMENTS", "", "Manifest of trusted documents, or a folder of manifests; read again when it changes.",
			func(c *Config) *string { return &c.TrustedDocuments }),
		choice("TRUSTED_MODE", "off",
			"Treatment of a document that is not in TRUSTED_DOCUMENTS: off runs it, log runs and logs it, only refuses it.",
			[]string{"off", "log", "only"}, func(c *Config) *string { return &c.TrustedMode }),
	}
}

func operatingSettings() []Setting {
	return []Setting{
		choice("LOG_FORMAT", "", "Format of the log: json or text; text on a terminal and json elsewhere unless set.",
			[]string{"json", "text"}, func(c *Config) *string { return &c.LogFormat }),
		choice("LOG_LEVEL", "info", "Minimum level of the log: debug, info, warn or error; debug includes probes.",
			[]string{"debug", "info", "warn", "error"}, func(c *Config) *string { return &c.LogLevel }),
		address("METRICS_LISTEN", "",
			"Address of /metrics, /status, /contract and /purge, and of /healthz and /readyz for probes; none unless set.",
			func(c *Config) *string { return &c.MetricsListen }),
		several("TRACE_BACKENDS", "Backends that receive the trace's headers, with commas.", backendNames(),
			func(c *Config) *[]string { return &c.TraceBackends }),
		text("CAPTURE_DIR", "",
			"Folder for operations captured with X-Learngraph-Capture: 1; needs EXPLAIN, and AUTH or a LISTEN on loopback.",
			func(c *Config) *string { return &c.CaptureDir }),
	}
}

func backendNames() []string {
	return []string{string(upstream.ThoughtIndustries), string(upstream.Coassemble), string(upstream.MATTR)}
}
