package app

import (
	"context"
	"time"

	"github.com/learngraph/learngraph/reload"
)

// reloadable is a file or URL that is read again when it changes, with the setting that names it.
type reloadable struct {
	setting string
	// check reads it now. It reports whether it is another one, or why the old one stays.
	check func(context.Context) (changed bool, err error)
}

// reloadTimeout bounds how long a key set may take to be fetched.
const reloadTimeout = 10 * time.Second

// Reload reads keys, key set, manifest, credentials and certificate now, and logs the outcome. Without it a change
// is noticed within seconds all the same.
func (s *Server) Reload(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	changed, unchanged, failed := []string{}, []string{}, map[string]string{}
	for _, r := range s.reloadables() {
		switch other, err := r.check(ctx); {
		case err != nil:
			failed[r.setting] = reload.Cause(err).Error()
			s.metrics.Reloaded(r.setting, "failed")
		case other:
			changed = append(changed, r.setting)
			s.metrics.Reloaded(r.setting, "changed")
		default:
			unchanged = append(unchanged, r.setting)
			s.metrics.Reloaded(r.setting, "unchanged")
		}
	}
	s.credentials.generation() // begins the next one where a credential is another
	if len(failed) > 0 {
		s.log.Warn("reloaded; an invalid file keeps its previous content", "changed", changed, "unchanged", unchanged,
			"failed", failed)
		return
	}
	s.log.Info("reloaded; any other setting needs a restart", "changed", changed, "unchanged", unchanged)
}

func (s *Server) reloadables() (list []reloadable) {
	add := func(setting string, check func() (bool, error)) {
		list = append(list, reloadable{setting, func(context.Context) (bool, error) { return check() }})
	}
	if s.callers.keys != nil {
		add("API_KEYS_FILE", s.callers.keys.Reload)
	}
	if s.callers.tokens != nil {
		list = append(list, reloadable{"JWT_JWKS", s.callers.tokens.Reload})
	}
	if s.webhooks.keys != nil {
		list = append(list, reloadable{"MATTR_WEBHOOK_JWKS", s.webhooks.keys.Reload})
	}
	if s.callers.trusted != nil {
		add("TRUSTED_DOCUMENTS", s.callers.trusted.Reload)
	}
	for _, secret := range s.credentials.secrets {
		if secret.file != nil {
			add(secret.Name, secret.file.Check)
		}
	}
	if s.certificate != nil {
		list = append(list, s.certificate.reloadables()...)
	}
	return list
}
