package scalar

import (
	"testing"
	"time"
)

func TestTime(t *testing.T) {
	t.Parallel()
	for date, want := range map[Date]time.Time{
		"2027-08-15T12:38:08.991Z":      time.Date(2027, 8, 15, 12, 38, 8, 991e6, time.UTC),
		"2027-08-15T12:38:08.991+02:00": time.Date(2027, 8, 15, 10, 38, 8, 991e6, time.UTC),
		"2027-08-15":                    time.Date(2027, 8, 15, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := date.Time(); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v, want %v", date, got, err, want)
		}
	}
	if got, err := Date("soon").Time(); err == nil {
		t.Errorf("got %v, want an error", got)
	}
}
