package cache

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/learngraph/learngraph/task"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	defaultTimeout = 20 * time.Millisecond
	writeTimeout   = time.Second // for connections and writes, for which no operation waits
	tombstoneLife  = time.Minute
	longestFetch   = 50 * time.Second // a later answer does not fill Redis: its tombstone may be gone
	largestFrame   = 8 << 20
	batchBytes     = 1 << 20
	queueLength    = 1024
	writeBatch     = 64
	maxPending     = 1 << 16
	maxTagged      = 10_000 // values that Redis notes for one tag
	listenSlice    = 100 * time.Millisecond
	pingAfter      = 3 // slices
	messageKeys    = 500
	incomplete     = -1 // the number in a message about drops that Redis has not all got yet
	reloadCluster  = 5 * time.Second
)

//go:embed lua
var scripts embed.FS

// source returns the text of a script.
func source(name string) string {
	text, err := scripts.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // the folder is a part of the program
	}
	return string(text)
}

var (
	fillScript, clockScript = source("fill"), source("clock")
	tagScript, untagScript  = source("tag"), source("untag")
	// These are sent by their digest, and whole only to a Redis that does not have them.
	leaseScript, takeScript    = redis.NewScript(source("lease")), redis.NewScript(source("take"))
	claimScript, unclaimScript = redis.NewScript(source("claim")), redis.NewScript(source("unclaim"))
)

var errRedis = errors.New("redis is not reachable")

// remote is the level that replicas share.
type remote struct {
	client       redis.UniversalClient
	timeout      time.Duration
	prefix       string // of every key
	origin       string // names this process in messages
	log          *slog.Logger
	seal         sealer
	breaker      breaker
	channelState channelState
	lastError    atomic.Value // the last PingError in the log

	onInvalidate func(seq int64, ds []digest) // another replica dropped
	onDisconnect func()                       // messages may have been missed

	seq         atomic.Int64 // the highest sequence number seen
	claims      atomic.Uint64
	errors      atomic.Uint64
	outages     atomic.Uint64
	dropped     atomic.Uint64
	subscribed  atomic.Bool
	dropPending atomic.Bool // the last drop failed: others wait for it to be repeated

	queue  chan job
	cancel context.CancelFunc
	done   task.Group

	mu      sync.Mutex
	closed  bool
	holds   uint64
	pending map[digest]pending
}

// job is a value on its way to Redis; encoding it is part of the way.
type job struct {
	target target
	seq    int64
	begun  time.Time
	stale  time.Time
	tags   []Tag
	size   int                             // of the value in memory
	encode func(seq int64) ([]byte, error) // the frame
	after  func(context.Context)           // in place of a value: called once those before it are written
}

// target is where a key is in Redis: its value, and its tag. A tag alone has no value.
type target struct {
	digest digest
	value  string
	tag    string
}

// libraryLines gets the lines that the Redis library writes: one per failed connection, with its address.
type libraryLines func(line string)

func (l libraryLines) Printf(_ context.Context, format string, values ...any) {
	l(fmt.Sprintf(format, values...))
}

var libraryOnce sync.Once

// ReportLibrary makes the lines of the Redis library go to report. The library has one log in a process: the first call
// decides, and after a cache has begun without one, lines are dropped.
func ReportLibrary(report func(line string)) {
	libraryOnce.Do(func() { redis.SetLogger(libraryLines(report)) })
}

func newRemote(o RedisOptions, version string, log *slog.Logger) (*remote, error) {
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	client, err := connect(o)
	if err != nil {
		return nil, err
	}
	seal, err := newSealer(o.Keys)
	if err != nil {
		return nil, err
	}
	r := &remote{
		seal: seal, client: client, timeout: timeout, prefix: cmp.Or(o.Prefix, defaultPrefix) + version + ":",
		origin: origin(), log: log, queue: make(chan job, queueLength), pending: map[digest]pending{},
	}
	r.breaker.changed = r.report
	return r, nil
}

// connect makes a client without a connection. Its errors do not repeat the URL, which may hold a password.
func connect(o RedisOptions) (redis.UniversalClient, error) {
	ReportLibrary(func(string) {})
	bad := errors.New("the Redis URL must be redis:// or rediss:// with a host, and known parameters")
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, bad
	}
	off := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	switch q := u.Query(); {
	case q.Has("master_name"):
		f, err := redis.ParseFailoverURL(o.URL)
		if err != nil {
			return nil, bad
		}
		f.MaxRetries, f.DialerRetries, f.DialTimeout, f.DisableIdentity = -1, 1, writeTimeout, true
		f.ReadTimeout, f.WriteTimeout, f.PoolTimeout, f.ContextTimeoutEnabled = writeTimeout, writeTimeout, writeTimeout, true
		trust(f.TLSConfig, o.RootCAs)
		return redis.NewFailoverClient(f), nil
	case q.Has("addr"):
		c, err := redis.ParseClusterURL(o.URL)
		if err != nil {
			return nil, bad
		}
		c.MaxRetries, c.DialerRetries, c.DialTimeout, c.DisableIdentity = -1, 1, writeTimeout, true
		c.ReadTimeout, c.WriteTimeout, c.PoolTimeout, c.ContextTimeoutEnabled = writeTimeout, writeTimeout, writeTimeout, true
		c.MaintNotificationsConfig, c.ClusterStateReloadInterval = off, reloadCluster
		trust(c.TLSConfig, o.RootCAs)
		return redis.NewClusterClient(c), nil
	}
	c, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, bad
	}
	c.MaxRetries, c.DialerRetries, c.DialTimeout, c.DisableIdentity = -1, 1, writeTimeout, true
	c.ReadTimeout, c.WriteTimeout, c.PoolTimeout, c.ContextTimeoutEnabled = writeTimeout, writeTimeout, writeTimeout, true
	c.MaintNotificationsConfig = off
	trust(c.TLSConfig, o.RootCAs)
	if o.dial != nil {
		c.Dialer = o.dial
	}
	return redis.NewClient(c), nil
}

// trust sets the issuers of certificates that are accepted; c is nil without TLS.
func trust(c *tls.Config, roots *x509.CertPool) {
	if c != nil {
		c.RootCAs = roots
	}
}

// origin is a name for this process.
func origin() string { return strconv.FormatUint(rand.Uint64(), 36) }

func (r *remote) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	r.channelState.begin()
	r.supervise(ctx, r.write)
	r.supervise(ctx, r.listen)
}

// supervise runs work until ctx ends. Work that panicked is begun again after a second.
func (r *remote) supervise(ctx context.Context, work func(context.Context)) {
	r.done.Go(func() error {
		work(ctx)
		return nil
	}, func(err error) {
		if err == nil || ctx.Err() != nil {
			return
		}
		r.log.Error("a task with redis failed and restarts", "cause", err)
		r.supervise(ctx, func(ctx context.Context) {
			select {
			case <-time.After(time.Second):
				work(ctx)
			case <-ctx.Done():
			}
		})
	})
}

func (r *remote) close() error {
	r.mu.Lock()
	r.closed = true
	close(r.queue)
	r.mu.Unlock()
	r.cancel()
	r.done.Wait()
	r.retryPending(context.Background()) // once more: with the process goes the memory of them
	return r.client.Close()
}

func (r *remote) report(up bool) {
	if !up {
		r.outages.Add(1)
		return
	}
	r.lastError.Store(PingOK)
	r.log.Info("redis answers again")
}

// logError logs why Redis is left alone, again whenever that has changed: an outage may end with a password that is
// wrong now.
func (r *remote) logError(err error) {
	if failure := pingErrorOf(err); failure != PingOK && r.lastError.Swap(failure) != failure {
		r.log.Warn("redis is not called for a second at a time", "cause", failure, "timeoutMs", r.timeout.Milliseconds())
	}
}

// logReadError logs a cause that a read cannot find within its timeout, such as that of a failed handshake.
func (r *remote) logReadError(err error) {
	if failure := pingErrorOf(err); failure != Unreachable {
		r.logError(err)
	}
}

// round runs one exchange with Redis within the timeout, if Redis is not being left alone. It does not end with the
// operation's context: that would look like an outage.
func (r *remote) round(ctx context.Context, do func(context.Context) error) error {
	return r.roundWithin(ctx, r.timeout, do)
}

func (r *remote) roundWithin(ctx context.Context, timeout time.Duration, do func(context.Context) error) error {
	if !r.breaker.enter() {
		return errRedis
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	err := do(ctx)
	if errors.Is(err, redis.ErrClosed) {
		r.breaker.leave(true)
		return errRedis
	}
	failed := outage(err)
	r.breaker.leave(!failed)
	if failed {
		r.reload(ctx)
		r.logError(err)
	}
	if err != nil {
		r.errors.Add(1)
	}
	return err
}

// reload makes the client of a Cluster find out, in the background, which nodes there are now. By itself it does so
// when a node redirects it, which one that is down never does.
func (r *remote) reload(ctx context.Context) {
	if cluster, ok := r.client.(*redis.ClusterClient); ok {
		cluster.ReloadState(ctx)
	}
}

// outage reports whether an error means that Redis does not work, rather than that it refuses a command.
func outage(err error) bool { return pingErrorOf(err) != PingOK }

// execute sends a pipeline. Only an outage is an error; a command that was refused has its own. Where no connection
// could be made, commands have no error and the pipeline has it.
func execute(ctx context.Context, pipe redis.Pipeliner) error {
	cmds, err := pipe.Exec(ctx)
	if len(cmds) == 0 || outage(err) {
		return err
	}
	for _, cmd := range cmds {
		if outage(cmd.Err()) {
			return cmd.Err()
		}
	}
	return nil
}

func (r *remote) clock() string { return r.prefix + "clock" }

func (r *remote) observeSeq(seq int64) {
	for {
		last := r.seq.Load()
		if seq <= last || r.seq.CompareAndSwap(last, seq) {
			return
		}
	}
}

// stored is the value that Redis holds for a key, with its remaining life.
type stored struct {
	data []byte
	left time.Duration
}

// read asks for all keys in one pipeline: single commands, because the keys of a Cluster are on several nodes.
func (r *remote) read(ctx context.Context, targets []target) map[digest]stored {
	found := map[digest]stored{}
	_ = r.round(ctx, func(ctx context.Context) error {
		pipe := r.client.Pipeline()
		clock := pipe.Get(ctx, r.clock())
		values := make([]*redis.StringCmd, len(targets))
		lives := make([]*redis.DurationCmd, len(targets))
		for i, t := range targets {
			values[i] = pipe.Get(ctx, t.value)
			lives[i] = pipe.PTTL(ctx, t.value)
		}
		err := execute(ctx, pipe)
		if seq, err := clock.Int64(); err == nil {
			r.observeSeq(seq)
		}
		for i, t := range targets {
			data, err := values[i].Bytes()
			if err != nil || lives[i].Err() != nil || lives[i].Val() <= 0 {
				continue
			}
			if data, ok := r.seal.open(t.digest, data); ok {
				found[t.digest] = stored{data, lives[i].Val()}
			}
		}
		return err
	})
	return found
}

// has reports whether Redis has a value for the target, or its tag has values. It has the time of a write: the
// connection may be the first.
func (r *remote) has(ctx context.Context, t target) (held bool) {
	_ = r.roundWithin(ctx, max(r.timeout, writeTimeout), func(ctx context.Context) error {
		pipe := r.client.Pipeline()
		value := pipe.Get(ctx, t.value)
		// The scores are when values expire, in milliseconds; that of the last drop is in microseconds and beyond twice now.
		now := time.Now().UnixMilli()
		carriers := pipe.ZCount(ctx, t.tag, strconv.FormatInt(now, 10), strconv.FormatInt(2*now, 10))
		err := execute(ctx, pipe)
		if data, ok := r.seal.open(t.digest, []byte(value.Val())); ok {
			f, err := decodeFrame(t.digest, data)
			held = err == nil && !f.tombstone
		}
		held = held || carriers.Val() > 0
		return err
	})
	return held
}

// put queues a value. When the queue is full it is lost.
func (r *remote) put(j job) {
	if !r.tryEnqueue(j) {
		r.dropped.Add(1)
	}
}

// tryEnqueue queues a job, and reports false where the queue is full. After close it does nothing.
func (r *remote) tryEnqueue(j job) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return true
	}
	select {
	case r.queue <- j:
		return true
	default:
		return false
	}
}

// write empties the queue, and repeats drops that failed, until the queue is closed.
func (r *remote) write(ctx context.Context) {
	retry := time.NewTicker(retryDelay)
	defer retry.Stop()
	for {
		select {
		case j, ok := <-r.queue:
			if !ok {
				return
			}
			r.writeBatch(ctx, r.batch(j))
		case <-retry.C:
			r.retryPending(ctx)
		}
	}
}

func (r *remote) batch(first job) []job {
	jobs, size := []job{first}, first.size
	for len(jobs) < writeBatch && size < batchBytes {
		select {
		case j, ok := <-r.queue:
			if !ok {
				return jobs
			}
			jobs = append(jobs, j)
			size += j.size
		default:
			return jobs
		}
	}
	return jobs
}

func (r *remote) writeBatch(ctx context.Context, jobs []job) {
	stored := 0
	defer func(all []job) {
		for _, j := range all {
			if j.after != nil {
				j.after(ctx)
			}
		}
	}(slices.Clone(jobs))
	jobs = slices.DeleteFunc(jobs, func(j job) bool { return j.after != nil })
	err := r.roundWithin(ctx, max(r.timeout, writeTimeout), func(ctx context.Context) error {
		jobs, err := r.tag(ctx, jobs)
		if err != nil || len(jobs) == 0 {
			return err
		}
		pipe := r.client.Pipeline()
		var cmds []*redis.Cmd
		for _, j := range jobs {
			left := time.Until(j.stale).Milliseconds()
			if left <= 0 || time.Since(j.begun) > longestFetch {
				continue
			}
			data, err := j.encode(j.seq)
			if err != nil || len(data) > largestFrame {
				continue
			}
			data = r.seal.seal(j.target.digest, data)
			cmds = append(cmds, pipe.Eval(ctx, fillScript, []string{j.target.value}, j.seq, data, left))
		}
		err = execute(ctx, pipe)
		for _, cmd := range cmds {
			if n, err := cmd.Int(); err == nil {
				stored += n
			}
		}
		return err
	})
	_ = err // counted, and reported by the breaker
	r.dropped.Add(uint64(len(jobs) - stored))
}

// tag notes which jobs carry which tags, and returns those that may be written.
func (r *remote) tag(ctx context.Context, jobs []job) ([]job, error) {
	pipe := r.client.Pipeline()
	cmds := make([][]*redis.Cmd, len(jobs))
	for i, j := range jobs {
		left := time.Until(j.stale).Milliseconds()
		for _, t := range j.tags {
			label, d, _ := t.split()
			cmds[i] = append(cmds[i], pipe.Eval(ctx, tagScript, []string{r.tagKey(label, d)}, j.seq, j.target.value, left,
				maxTagged))
		}
	}
	if pipe.Len() == 0 {
		return jobs, nil
	}
	if err := execute(ctx, pipe); err != nil {
		return nil, err
	}
	var out []job
	for i, j := range jobs {
		ok := len(j.tags) <= maxFrameTags
		for _, cmd := range cmds[i] {
			n, err := cmd.Int()
			ok = ok && err == nil && n == 1
		}
		if ok {
			out = append(out, j)
		}
	}
	return out, nil
}

func (r *remote) valueKey(label, kind string, d digest) string {
	return r.prefix + label + ":" + kind + ":" + d.String()
}

func (r *remote) tagKey(label string, d digest) string {
	return r.prefix + label + ":tag:" + d.String()
}

// lease leases n starts of a window, under an id, and sends changes. starts is negative where Redis does not hold the
// entry known, unless that is empty: then it has lost its data and does nothing.
func (r *remote) lease(ctx context.Context, w *Window, id string, n int, known string,
	changes []change) (starts int, wait time.Duration, left []int, err error) {
	now := time.Now()
	args := []any{id, n, w.life.Microseconds(), known, (w.longest() + 2*w.life + time.Second).Milliseconds()}
	for _, rate := range w.rates {
		args = append(args, rate.Count, rate.Per.Microseconds())
	}
	for _, c := range changes {
		args = append(args, c.from, c.starts, c.to, now.Sub(c.until).Microseconds())
	}
	numbers, err := r.script(ctx, leaseScript, w.keys, 2+len(w.rates), args...)
	if err != nil {
		return 0, 0, nil, err
	}
	for _, n := range numbers[2:] {
		left = append(left, int(n))
	}
	return int(numbers[0]), time.Duration(numbers[1]) * time.Microsecond, left, nil
}

// take takes points out of a bucket that replicas share.
func (r *remote) take(ctx context.Context, key string, limit Limit, n int) (points float64, ok bool, err error) {
	numbers, err := r.script(ctx, takeScript, []string{key}, 2, limit.Capacity, limit.Restore, n)
	if err != nil {
		return 0, false, err
	}
	return numbers[1], numbers[0] == 1, nil
}

// script runs a script that answers that many numbers.
func (r *remote) script(ctx context.Context, script *redis.Script, keys []string, count int,
	args ...any) (numbers []float64, err error) {
	numbers = make([]float64, count)
	err = r.round(ctx, func(ctx context.Context) error {
		answer, err := script.Run(ctx, r.client, keys, args...).Slice()
		if err != nil {
			return err
		}
		if len(answer) != len(numbers) {
			return errRedis
		}
		for i, a := range answer {
			if numbers[i], err = strconv.ParseFloat(fmt.Sprint(a), 64); err != nil {
				return errRedis
			}
		}
		return nil
	})
	return numbers, err
}
