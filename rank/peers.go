package rank

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/badbubble/distgo/sync/store"
	"github.com/badbubble/distgo/transport"
)

// peers is what the other ranks' stores hold, and the way to get it. Each rank
// tells all that have another store which keys it has; who misses an action that
// another has asks for its entry and files, and has them in its own store then.
//
// Its methods may be called from any goroutine; nil is a rank without a store.
type peers struct {
	world *transport.World
	store *store.Store
	dir   string // the scratch directory, for files on their way

	makeDir func() error

	own func() int // how many actions the store held when that was first asked

	mu       sync.Mutex
	holds    map[transport.Rank]store.Summary // guarded by mu
	silent   map[transport.Rank]bool          // have not told yet; guarded by mu
	asked    map[store.Key]*question          // guarded by mu
	all      chan struct{}                    // closed when silent is empty
	requests chan request                     // to serve; from the read goroutines of lanes
}

type question struct {
	of     transport.Rank
	answer chan bool // gets one
}

type request struct {
	from transport.Rank
	key  store.Key
}

const (
	// summariesPatience is how long a rank with nothing to do waits for what the others have. They tell before they have
	// the plan.
	summariesPatience = 2 * time.Second
	// answerPatience is after how long it is faster to compile: the slowest package takes some 10 s.
	answerPatience = 10 * time.Second
	// maxSummary bounds what one rank tells of its store: some three million keys.
	maxSummary = 16 << 20
	// maxRequests is how many questions of others wait: more are answered with no.
	maxRequests = 1024
)

func newPeers(w *transport.World, s *store.Store, dir string, makeDir func() error) *peers {
	p := &peers{
		world: w, store: s, dir: dir, makeDir: makeDir, holds: map[transport.Rank]store.Summary{}, silent: map[transport.Rank]bool{},
		asked: map[store.Key]*question{}, all: make(chan struct{}), requests: make(chan request, maxRequests),
	}
	p.own = sync.OnceValue(func() int { return s.Summary().Len() })
	for to := range w.Size() {
		if r := transport.Rank(to); r != w.Rank() && p.other(r) {
			p.silent[r] = true
		}
	}
	if len(p.silent) == 0 {
		close(p.all)
	}
	return p
}

// other reports whether a rank has a store, and another than this one's.
func (p *peers) other(r transport.Rank) bool {
	var v view
	err := (transport.Frame{Body: p.world.Peer(r).Info}).Decode(&v)
	return err == nil && v.Store != "" && v.Store != p.store.ID()
}

// announce tells the others what this rank's store holds.
func (p *peers) announce() error {
	m := holdsMessage{Store: p.store.ID()}
	var to []transport.Rank
	for r := range transport.Rank(p.world.Size()) {
		if r != p.world.Rank() && p.other(r) {
			to = append(to, r)
		}
	}
	if len(to) == 0 {
		return nil
	}
	summary := p.store.Summary().Bytes()
	if len(summary) > maxSummary {
		summary = nil
	}
	for _, r := range to {
		message := transport.Message{Kind: kindHolds, Body: m}
		if len(summary) > 0 {
			message.Blob = &transport.Blob{Size: int64(len(summary)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(summary)), nil }}
		}
		if err := p.world.Send(r, transport.Express, message); err != nil && !isLost(err) {
			return err
		}
	}
	return nil
}

// told takes in what a rank's store holds.
func (p *peers) told(from transport.Rank, f transport.Frame) error {
	if p == nil {
		return drop(f)
	}
	m, err := decode[holdsMessage](f)
	if err != nil {
		return err
	}
	if f.BlobSize > maxSummary {
		return fmt.Errorf("a summary of %d bytes: up to %d are possible", f.BlobSize, maxSummary)
	}
	var summary store.Summary
	if f.Blob != nil {
		text, err := io.ReadAll(f.Blob)
		if err != nil {
			return err
		}
		if summary, err = store.ParseSummary(text); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.Store != p.store.ID() {
		p.holds[from] = summary
	}
	p.heard(from)
	return nil
}

// haveNothing reports whether, for all that is known, no store of the world
// holds any action.
func (p *peers) haveNothing() bool {
	if p == nil {
		return true
	}
	p.mu.Lock()
	for _, s := range p.holds {
		if s.Len() > 0 {
			p.mu.Unlock()
			return false
		}
	}
	p.mu.Unlock()
	return p.own() == 0
}

// heard notes that nothing more need be waited for from a rank. The caller holds mu.
func (p *peers) heard(from transport.Rank) {
	if p.silent[from] {
		delete(p.silent, from)
		if len(p.silent) == 0 {
			close(p.all)
		}
	}
}

// lost answers what a rank that is gone was asked.
func (p *peers) lost(r transport.Rank) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.holds, r)
	p.heard(r)
	for key, q := range p.asked {
		if q.of == r {
			delete(p.asked, key)
			q.answer <- false
		}
	}
}

// fetch brings an entry from another rank into this one's store, if one has it.
func (p *peers) fetch(ctx context.Context, key store.Key) bool {
	if p == nil {
		return false
	}
	known, cancel := context.WithTimeout(ctx, summariesPatience)
	defer cancel()
	select {
	case <-p.all:
	case <-known.Done():
	}
	q := p.whom(key)
	if q == nil {
		return false
	}
	err := p.world.Send(q.of, transport.Express, transport.Message{Kind: kindAsk, Body: askMessage{key[:]}})
	limited, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	if err == nil {
		select {
		case ok := <-q.answer:
			return ok
		case <-limited.Done():
		}
	}
	p.mu.Lock()
	delete(p.asked, key)
	p.mu.Unlock()
	return false
}

// whom chooses the rank to ask for a key: of those that have it, another for
// each key.
func (p *peers) whom(key store.Key) *question {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked[key] != nil {
		return nil // two actions with one key: one asks
	}
	var have []transport.Rank
	for r := range transport.Rank(p.world.Size()) {
		if s, ok := p.holds[r]; ok && s.Has(key) {
			have = append(have, r)
		}
	}
	if len(have) == 0 {
		return nil
	}
	q := &question{of: have[int(key[0])%len(have)], answer: make(chan bool, 1)} // the answer, or the loss
	p.asked[key] = q
	return q
}

// ask queues another rank's question.
func (p *peers) ask(from transport.Rank, f transport.Frame) error {
	if p == nil {
		return nil // nothing was said to be here
	}
	m, err := decode[askMessage](f)
	if err != nil {
		return err
	}
	if len(m.Key) != len(store.Key{}) {
		return fmt.Errorf("a key of %d bytes", len(m.Key))
	}
	select {
	case p.requests <- request{from, store.Key(m.Key)}:
	default:
		return p.send(from, transport.Message{Kind: kindGiven, Body: givenMessage{Key: m.Key}})
	}
	return nil
}

// serve answers the others until ctx is done.
func (p *peers) serve(ctx context.Context) error {
	for {
		select {
		case q := <-p.requests:
			if err := p.give(q); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// give sends an entry and its files. They are linked first: what was begun to be
// sent must be there to its end.
func (p *peers) give(q request) error {
	none := transport.Message{Kind: kindGiven, Body: givenMessage{Key: q.key[:]}}
	parcel, ok := p.store.Parcel(q.key)
	if !ok || len(parcel.Entry) == 0 {
		return p.send(q.from, none)
	}
	dir := ""
	err := p.makeDir()
	if err == nil {
		dir, err = os.MkdirTemp(p.dir, "give-")
	}
	if err != nil {
		return p.send(q.from, none)
	}
	for _, f := range parcel.Files {
		if p.store.Get(f, filepath.Join(dir, f.Digest.String())) != nil { // damaged, maybe; it has been named
			os.RemoveAll(dir)
			return p.send(q.from, none)
		}
	}
	message := transport.Message{Kind: kindGiven, Body: givenMessage{Key: q.key[:], Entry: parcel.Entry}}
	if parcel.Size > 0 {
		message.Blob = &transport.Blob{Size: parcel.Size, Open: func() (io.ReadCloser, error) { return openParcel(dir, parcel.Files) }}
	}
	return p.send(q.from, message)
}

func (p *peers) send(to transport.Rank, m transport.Message) error {
	if err := p.world.Send(to, transport.Bulk, m); err != nil && !isLost(err) {
		return err
	}
	return nil
}

// parcelReader reads files one behind the other, and removes them in the end.
type parcelReader struct {
	io.Reader
	files []*os.File
	dir   string
}

func openParcel(dir string, files []store.File) (io.ReadCloser, error) {
	r := &parcelReader{dir: dir}
	var all []io.Reader
	for _, f := range files {
		in, err := os.Open(filepath.Join(dir, f.Digest.String()))
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.files = append(r.files, in)
		all = append(all, in)
	}
	r.Reader = io.MultiReader(all...)
	return r, nil
}

func (r *parcelReader) Close() error {
	var err error
	for _, f := range r.files {
		err = errors.Join(err, f.Close())
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// given takes what was asked for into the store. That it cannot be kept, or is
// not what it should be, makes this rank compile; that it is cut short is the
// transport's to notice.
func (p *peers) given(from transport.Rank, f transport.Frame) error {
	if p == nil {
		return drop(f)
	}
	m, err := decode[givenMessage](f)
	if err != nil {
		return err
	}
	if len(m.Key) != len(store.Key{}) {
		return fmt.Errorf("a key of %d bytes", len(m.Key))
	}
	var blob io.Reader = bytes.NewReader(nil)
	if f.Blob != nil {
		blob = f.Blob
	}
	taken := len(m.Entry) > 0 && p.store.Accept(store.Key(m.Key), m.Entry, blob) == nil
	if _, err := io.Copy(io.Discard, blob); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if q := p.asked[store.Key(m.Key)]; q != nil && q.of == from {
		delete(p.asked, store.Key(m.Key))
		q.answer <- taken
	}
	return nil
}

// drop reads what nobody wants.
func drop(f transport.Frame) error {
	if f.Blob == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, f.Blob)
	return err
}
