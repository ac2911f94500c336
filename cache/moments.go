package cache

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// momentLife is how long a moment is remembered.
const momentLife = 90 * 24 * time.Hour

// defaultPrefix begins every key of an installation that names no other.
const defaultPrefix = "lg:"

// momentKey is the same for every version of the program: another one may ask.
func momentKey(prefix, name string) string { return cmp.Or(prefix, defaultPrefix) + "at:" + name }

// NoteMoment writes to Redis that something of that name happens now. Without Redis it does nothing.
func (c *Cache) NoteMoment(ctx context.Context, name string) {
	if c.remote == nil {
		return
	}
	_ = c.remote.round(ctx, func(ctx context.Context) error {
		return c.remote.client.Set(ctx, momentKey(c.o.Redis.Prefix, name), time.Now().Unix(), momentLife).Err()
	})
}

// Moment asks the Redis of the options when something of that name last happened; the zero time is never.
func Moment(ctx context.Context, o RedisOptions, name string) (at time.Time, trouble PingError) {
	client, err := connect(o)
	if err != nil {
		return at, BadURL
	}
	defer client.Close()
	text, err := client.Get(ctx, momentKey(o.Prefix, name)).Result()
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
