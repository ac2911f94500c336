package cache

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// timestampTTL is how long Redis keeps a timestamp.
const timestampTTL = 90 * 24 * time.Hour

// defaultPrefix begins every key of an installation without another prefix.
const defaultPrefix = "lg:"

// timestampKey is the same for every version of the program: another one may ask.
func timestampKey(prefix, name string) string { return cmp.Or(prefix, defaultPrefix) + "at:" + name }

// SetTimestamp writes the current time to Redis under a name. Without Redis it does nothing.
func (c *Cache) SetTimestamp(ctx context.Context, name string) {
	if c.remote == nil {
		return
	}
	_ = c.remote.round(ctx, func(ctx context.Context) error {
		return c.remote.client.Set(ctx, timestampKey(c.o.Redis.Prefix, name), time.Now().Unix(), timestampTTL).Err()
	})
}

// Timestamp reads from the Redis of the options when SetTimestamp last had that name; the zero time is never.
func Timestamp(ctx context.Context, o RedisOptions, name string) (at time.Time, pingErr PingError) {
	client, err := connect(o)
	if err != nil {
		return at, BadURL
	}
	defer client.Close()
	text, err := client.Get(ctx, timestampKey(o.Prefix, name)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return at, PingOK
	case err != nil:
		return at, cmp.Or(pingErrorOf(err), Refusing)
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return at, PingOK
	}
	return time.Unix(seconds, 0), PingOK
}
