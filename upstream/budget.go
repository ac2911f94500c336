package upstream

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is a limit of Count calls in any window of length Per.
type Rate struct {
	Count int
	Per   time.Duration
}

// maxCount bounds the size of a budget's log.
const maxCount = 1_000_000

// ParseRates reads "COUNT/DURATION" or several with commas, such as "60/1m,1000/1h"; "0" is no limit.
func ParseRates(s string) ([]Rate, error) {
	if strings.TrimSpace(s) == "0" {
		return nil, nil
	}
	var rates []Rate
	for part := range strings.SplitSeq(s, ",") {
		r, err := parseRate(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		rates = append(rates, r)
	}
	return rates, nil
}

func parseRate(s string) (Rate, error) {
	count, per, ok := strings.Cut(s, "/")
	if !ok {
		return Rate{}, fmt.Errorf("%q: want COUNT/DURATION such as 60/1m, or 0 for no limit", s)
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > maxCount {
		return Rate{}, fmt.Errorf("%q: the count must be a whole number from 1 to %d", s, maxCount)
	}
	d, err := time.ParseDuration(per)
	if err != nil || d <= 0 {
		return Rate{}, fmt.Errorf("%q: the duration must be positive, such as 1m", s)
	}
	return Rate{n, d}, nil
}

// Usable is the part of a limit that we use: 5 % are held back for effects that we cannot see, such as the delay on the
// way to the backend.
func (r Rate) Usable() int { return max(1, r.Count*95/100) }
