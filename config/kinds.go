package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
	"github.com/learngraph/learngraph/cache"
	"github.com/learngraph/learngraph/reload"
	"github.com/learngraph/learngraph/upstream"
)

// text is a setting of any text.
func text(name, fallback, usage string, to *string) Setting {
	return checked(name, fallback, usage, func(string) error { return nil }, to)
}

// checked is a text that has to pass a check where it is set.
func checked(name, fallback, usage string, check func(string) error, to *string) Setting {
	return Setting{Name: name, Default: fallback, Usage: usage, set: func(v string) error {
		*to = v
		if v == "" {
			return nil
		}
		return check(v)
	}}
}

// matching returns the setting of a text for which accepts must be true. want describes such a text.
func matching(name, fallback, usage, want string, accepts func(string) bool, to *string) Setting {
	return checked(name, fallback, usage, func(v string) error {
		if !accepts(v) {
			return errors.New(want)
		}
		return nil
	}, to)
}

// parsed returns a setting that parse reads, for whose value right must be true. want describes such a value.
func parsed[T any](name, fallback, usage, want string, parse func(string) (T, error), right func(T) bool,
	to *T) Setting {
	return Setting{Name: name, Default: fallback, Usage: usage, set: func(v string) error {
		value, err := parse(v)
		if err != nil || !right(value) {
			return errors.New(want)
		}
		*to = value
		return nil
	}}
}

// list returns a setting of values separated by commas, for each of which accepts must be true. want describes the
// values.
func list(name, usage, want string, accepts func(string) bool, to *[]string) Setting {
	return Setting{Name: name, Usage: usage, list: true, set: func(v string) error {
		*to = items(v)
		if slices.ContainsFunc(*to, func(item string) bool { return !accepts(item) }) {
			return errors.New(want)
		}
		return nil
	}}
}

// ofBackend marks a setting that locates a backend, which -demo ignores.
func ofBackend(s Setting) Setting {
	s.upstream = true
	return s
}

func inDemo(value string, s Setting) Setting {
	s.demo = value
	return s
}

func upstreamURL(name, fallback, usage string, to *string) Setting {
	return ofBackend(checked(name, fallback, usage, checkURL, to))
}

// credential is a secret of a backend. It may hold the same characters as a header.
func credential(name, usage string, to *string) Setting {
	s := ofBackend(matching(name, "", usage, "must be one line of text", func(v string) bool {
		return !strings.ContainsFunc(v, unicode.IsControl)
	}, to))
	s.Secret = true
	return s
}

// webhookSecret is a secret that a backend signs with, or a credential for another service. It does not locate a
// backend, so -demo accepts it too.
func webhookSecret(name, usage string, to *string) Setting {
	s := credential(name, usage, to)
	s.upstream, s.reread = false, true
	return s
}

// keySet is a file or a URL.
func keySet(name, usage string, to *string) Setting {
	return checked(name, "", usage, func(v string) error {
		if strings.Contains(v, "://") {
			return checkURL(v)
		}
		return nil
	}, to)
}

func choice(name, fallback, usage string, choices []string, to *string) Setting {
	s := matching(name, fallback, usage, "must be "+oneOf(choices), func(v string) bool {
		return slices.Contains(choices, v)
	}, to)
	s.Choices = choices
	return s
}

// oneOf lists choices as a sentence does.
func oneOf(choices []string) string {
	last := len(choices) - 1
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}

func linkUser(name, fallback, usage string, to *string) Setting {
	return matching(name, fallback, usage, "must be subjectId, id or claims.KEY", func(v string) bool {
		claim, _ := strings.CutPrefix(v, "claims.")
		return v == "subjectId" || v == "id" || claim != v && claim != ""
	}, to)
}

// address is a host and a port to listen on.
func address(name, fallback, usage string, to *string) Setting {
	return matching(name, fallback, usage, "must be an address and a port, such as 127.0.0.1:8080", func(v string) bool {
		_, port, err := net.SplitHostPort(v)
		if err == nil && port != "" {
			_, err = net.LookupPort("tcp", port)
		}
		return err == nil && port != ""
	}, to)
}

// items are the values of a list with commas.
func items(v string) (list []string) {
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// networks are addresses and networks of addresses.
func networks(name, usage string, to *[]netip.Prefix) Setting {
	return Setting{Name: name, Usage: usage, list: true, set: func(v string) error {
		*to = nil
		for _, item := range items(v) {
			if a, err := netip.ParseAddr(item); err == nil && a.Zone() == "" {
				item = netip.PrefixFrom(a, a.BitLen()).String()
			}
			network, err := netip.ParsePrefix(item)
			if err != nil {
				return errors.New("must be addresses or networks, such as 10.0.0.0/8")
			}
			*to = append(*to, network.Masked())
		}
		return nil
	}}
}

// several is a list whose values are each one of the choices.
func several(name, usage string, choices []string, to *[]string) Setting {
	s := list(name, usage, "must be of "+strings.Join(choices, ", "), func(item string) bool {
		return slices.Contains(choices, item)
	}, to)
	s.Choices = choices
	return s
}

// origin matches a browser's Origin header: scheme, host and perhaps port, in lower case.
var origin = regexp.MustCompile(`^[a-z][a-z0-9+.-]*://(?:[a-z0-9._~-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?$`)

func origins(name, usage string, to *[]string) Setting {
	return list(name, usage,
		"must be origins as browsers send them, such as https://app.example or http://localhost:3000, without a path",
		func(item string) bool { return item == "*" || origin.MatchString(item) }, to)
}

// headerName is the name of an HTTP header (RFC 9110, section 5.6.2).
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

// tagHeader is the name of one header.
func tagHeader(name, usage string, to *string) Setting {
	return matching(name, "", usage, "must be the name of a header, such as Cache-Tag, Surrogate-Key or xkey",
		headerName.MatchString, to)
}

// purgeURL is a URL with places for tags. Tags are digests, so that a network of one's own needs no https for them.
func purgeURL(name, usage string, to *string) Setting {
	return checked(name, "", usage, func(v string) error {
		u, err := url.Parse(strings.NewReplacer("{tags}", "tags", "{tag}", "tag").Replace(v))
		switch {
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
			return errors.New("must be an absolute URL, such as https://api.fastly.com/service/ID/purge")
		case u.User != nil || u.Fragment != "":
			return errors.New("must have no user and no fragment: CDN_PURGE_TOKEN is for a credential")
		}
		return nil
	}, to)
}

func headerNames(name, usage string, to *[]string) Setting {
	return list(name, usage, "must be names of headers, such as X-Tenant, with commas", func(item string) bool {
		return item != "*" && headerName.MatchString(item)
	}, to)
}

func rates(name, fallback, usage string, to *[]upstream.Rate) Setting {
	s := parsed(name, fallback, usage, "must be COUNT/DURATION, such as 60/1m, several with commas, or 0 for no limit",
		upstream.ParseRates, func([]upstream.Rate) bool { return true }, to)
	s.list = true
	return s
}

// number is a whole number that is at least so much.
func number(name, fallback, usage string, least int, want string, to *int) Setting {
	s := parsed(name, fallback, usage, want, strconv.Atoi, func(n int) bool { return n >= least }, to)
	s.number = true
	return s
}

// amount is a whole number that may be zero.
func amount(name, fallback, usage string, to *int) Setting {
	return number(name, fallback, usage, 0, "must be a whole number, or 0", to)
}

func count(name, fallback, usage string, to *int) Setting {
	return number(name, fallback, usage, 1, "must be a whole number above zero", to)
}

func boolean(name, fallback, usage string, to *bool) Setting {
	s := parsed(name, fallback, usage, "must be true or false", strconv.ParseBool, func(bool) bool { return true }, to)
	s.Switch = true
	return s
}

// span is a duration that may be zero.
func span(name, fallback, usage string, to *time.Duration) Setting {
	return parsed(name, fallback, usage, "must be a duration, such as 60s, or 0", time.ParseDuration,
		func(d time.Duration) bool { return d >= 0 }, to)
}

func duration(name, fallback, usage string, to *time.Duration) Setting {
	return parsed(name, fallback, usage, "must be a duration above zero, such as 15s", time.ParseDuration,
		func(d time.Duration) bool { return d > 0 }, to)
}

// size is a number of bytes. A unit has to be said: 128 without one would be 128 bytes, which is never meant.
func size(name, fallback, usage string, to *int64) Setting {
	return Setting{Name: name, Default: fallback, Usage: usage, set: func(v string) error {
		n, err := humanize.ParseBytes(v)
		if err != nil || n == 0 || n > 1<<40 || !unicode.IsLetter(rune(v[len(v)-1])) {
			return errors.New("must be a size with its unit, such as 64MiB")
		}
		*to = int64(n)
		return nil
	}}
}

// redisURL is a secret, for it may hold a password.
func redisURL(name, usage string, to *string) Setting {
	s := text(name, "", usage, to)
	s.Secret = true
	return s
}

func redisKeys(name, usage string, to *[][]byte) Setting {
	return Setting{Name: name, Usage: usage, Secret: true, set: func(v string) (err error) {
		*to, err = cache.ParseKeys(v)
		return err
	}}
}

func redisIssuers(name, usage string, to **x509.CertPool) Setting {
	return Setting{Name: name, Usage: usage, set: func(v string) error {
		if v == "" {
			return nil
		}
		text, err := os.ReadFile(v)
		roots := x509.NewCertPool()
		switch {
		case err != nil:
			return fmt.Errorf("must be a file with certificates in PEM: %w", reload.Cause(err))
		case !roots.AppendCertsFromPEM(text):
			return errors.New("must be a file with certificates in PEM")
		}
		*to = roots
		return nil
	}}
}

// keyPrefix matches a prefix of keys in Redis.
var keyPrefix = regexp.MustCompile(`^[A-Za-z0-9_.:-]{0,64}$`)

func redisPrefix(name, fallback, usage string, to *string) Setting {
	return matching(name, fallback, usage, "must be at most 64 letters, digits, or any of -_.: between them",
		keyPrefix.MatchString, to)
}
