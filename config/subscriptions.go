package config

import (
	"errors"
	"strconv"
	"strings"
)

// Subscriptions are bounds of open subscriptions.
type Subscriptions struct{ PerCaller, Total int }

// defaultTotal is how many subscriptions there may be where only a caller's number is given.
const defaultTotal = 10_000

// subscriptions is a setting of two numbers with a comma, or of 0 for none.
func subscriptions(name, fallback, usage string, to *Subscriptions) Setting {
	return Setting{Name: name, Default: fallback, Usage: usage, set: func(v string) error {
		wrong := errors.New("must be two numbers, for one caller and in all, such as 100,10000, or 0 for none")
		if v == "0" {
			*to = Subscriptions{}
			return nil
		}
		caller, all, ok := strings.Cut(v, ",")
		if !ok {
			all = strconv.Itoa(defaultTotal)
		}
		var s Subscriptions
		for to, text := range map[*int]string{&s.PerCaller: caller, &s.Total: all} {
			n, err := strconv.Atoi(strings.TrimSpace(text))
			if err != nil || n < 1 {
				return wrong
			}
			*to = n
		}
		*to = s
		return nil
	}}
}
