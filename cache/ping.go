package cache

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// PingError is why Redis is of no use. It holds nothing of Redis's or the network's message, which may repeat an
// address or a user.
type PingError string

// The failures of Redis. PingOK is none.
const (
	PingOK        PingError = ""
	BadURL        PingError = "the URL cannot be read"
	Unreachable   PingError = "it is not reachable"
	NoRedis       PingError = "the server does not speak Redis's protocol"
	Certificate   PingError = "its certificate is not accepted, or it does not accept this program's"
	WrongPassword PingError = "it does not accept the user or the password"
	NoPassword    PingError = "it requires a password"
	NoRights      PingError = "it denies this machine or user access"
	Loading       PingError = "it is loading its data"
	Refusing      PingError = "it refuses commands"
	NoMaster      PingError = "Sentinel knows no master of that name"
)

// prefixes are the beginnings of errors that mean an unusable Redis rather than a refused command.
var prefixes = []struct {
	text    string
	failure PingError
}{
	{"WRONGPASS", WrongPassword}, {"ERR invalid password", WrongPassword},
	{"ERR invalid username-password", WrongPassword}, {"ERR AUTH ", WrongPassword},
	{"ERR Client sent AUTH", WrongPassword}, {"NOAUTH", NoPassword}, {"NOPERM", NoRights}, {"DENIED", NoRights},
	{"LOADING", Loading}, {"CLUSTERDOWN", Refusing}, {"MASTERDOWN", Refusing}, {"TRYAGAIN", Refusing},
	{"READONLY", Refusing}, {"MISCONF", Refusing}, {"BUSY", Refusing}, {"ERR max number of clients", Refusing},
}

// noSentinel is the beginning of the library's error where no Sentinel named a master. It holds the errors of all of
// them.
const noSentinel = "redis: all sentinels"

// pingErrorOf returns why a command was not done, or PingOK where Redis works and refuses this one command.
func pingErrorOf(err error) PingError {
	sentinels := err != nil && strings.HasPrefix(err.Error(), noSentinel)
	switch {
	case sentinels && errors.Is(err, redis.Nil):
		return NoMaster
	case err == nil, errors.Is(err, redis.Nil):
		return PingOK
	}
	var reply redis.Error
	if errors.As(err, &reply) {
		for _, p := range prefixes {
			if strings.HasPrefix(reply.Error(), p.text) {
				return p.failure
			}
		}
		return PingOK
	}
	var (
		certificate *tls.CertificateVerificationError
		alert       tls.AlertError
		record      tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &certificate), errors.As(err, &alert):
		return Certificate
	case errors.As(err, &record), !sentinels && strings.HasPrefix(err.Error(), "redis: "):
		return NoRedis
	}
	return Unreachable
}

// OldestVersion is the version that Ping returns for a Redis that does not know the command HELLO.
const OldestVersion = "5"

// Ping greets the Redis of the options over a connection of its own and returns its version.
func Ping(ctx context.Context, o RedisOptions) (version string, failure PingError) {
	client, err := connect(o)
	if err != nil {
		return "", BadURL
	}
	defer client.Close()
	hello, err := client.Do(ctx, "HELLO", "3").Result()
	if err != nil && strings.HasPrefix(err.Error(), "ERR unknown command") {
		return OldestVersion, PingOK
	}
	if err == nil {
		err = client.Ping(ctx).Err() // some servers greet everyone and want the password afterwards
	}
	if err != nil {
		return "", cmp.Or(pingErrorOf(err), Refusing)
	}
	if fields, ok := hello.(map[any]any); ok {
		version = fmt.Sprint(fields["version"])
	}
	if !printable(version) {
		return "", NoRedis
	}
	return version, PingOK
}

func printable(version string) bool {
	return version != "" && len(version) <= 32 && !strings.ContainsFunc(version, func(r rune) bool {
		return r <= ' ' || r > '~'
	})
}
