package rank

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/sync/ship"
	"github.com/badbubble/distgo/sync/store"
	"github.com/badbubble/distgo/transport"
)

// readsMessage asks root what actions read, in the order in which it matters.
type readsMessage struct {
	Actions []plan.ActionID `msgpack:"a"`
}

// filesMessage is the answer, or a part of it: []actionFiles, packed.
type filesMessage struct {
	Packed []byte `msgpack:"k"`
}

type actionFiles struct {
	Action plan.ActionID `msgpack:"a"`
	Files  []ship.File   `msgpack:"f"`
}

// fetchMessage asks root for files.
type fetchMessage struct {
	Digests [][]byte `msgpack:"d"`
}

// shipChunk is about how many actions are answered for at once: few at first,
// so that somebody can begin.
const (
	firstChunk = 8
	shipChunk  = 64
)

// give is what root does for ranks that are away. It belongs to the loop.
type give struct {
	giver    *ship.Giver
	compiler string // the pipelined compiler, "" for the toolchain's
}

// answer tells a rank what actions read.
func (l *loop) answer(to plan.Rank, m readsMessage) error {
	actions := make([]plan.Action, 0, len(m.Actions))
	for _, id := range m.Actions {
		if id < 0 || int(id) >= len(l.plan.Actions) {
			return fmt.Errorf("rank %d asks what action %d of %d reads", to, id, len(l.plan.Actions))
		}
		a := l.plan.Actions[id]
		a.Steps = l.lead.steps[id]
		if !execute.CanMove(&a) {
			return fmt.Errorf("rank %d is to execute %s of %s, which has to stay where its files are", to, a.Kind, a.Package)
		}
		actions = append(actions, a)
	}
	l.aside(func() error {
		for size := firstChunk; len(actions) > 0; size = shipChunk {
			chunk := actions[:min(size, len(actions))]
			actions = actions[len(chunk):]
			if err := l.answerChunk(to, chunk); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

func (l *loop) answerChunk(to plan.Rank, actions []plan.Action) error {
	answers := make([]actionFiles, 0, len(actions))
	for i := range actions {
		paths, err := reads(&actions[i], l.lead.give.compiler)
		if err != nil {
			return err
		}
		files, err := l.lead.give.giver.List(paths)
		if err != nil {
			return err
		}
		answers = append(answers, actionFiles{actions[i].ID, files})
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	packed, err := pack(z, answers)
	if err != nil {
		return err
	}
	return l.ship(to, transport.Message{Kind: kindFiles, Body: filesMessage{packed}})
}

// serve sends a rank the files that it asked for.
func (l *loop) serve(to plan.Rank, m fetchMessage) error {
	l.aside(func() error {
		return l.lead.give.giver.Pack(m.Digests, func(p ship.Parcel) error {
			return l.ship(to, transport.Message{Kind: kindParcel, Body: p.Batch, Blob: &transport.Blob{Size: p.Size, Open: p.Open}})
		})
	})
	return nil
}

// ship sends on the lane on which nobody waits for export data. A rank that is
// lost needs nothing.
func (l *loop) ship(to plan.Rank, m transport.Message) error {
	err := l.world.Send(transport.Rank(to), transport.Bulk, m)
	if isLost(err) {
		return nil
	}
	return err
}

// aside does something that takes long; the loop waits for it at its end.
func (l *loop) aside(f func() error) {
	l.tools.Go(func() {
		if err := f(); err != nil {
			l.post(func() error { return err })
		}
	})
}

// take is what a rank that is away does to get its actions' files. Where no
// store holds anything it fetches them as soon as it knows which they are; else
// most actions are answered by a store, and those files are fetched whose
// actions are to be executed.
type take struct {
	view     execute.View
	eager    func() bool
	compiler string // root's path of the pipelined compiler
	taker    *ship.Taker
	send     func(kind transport.Kind, body any) error // to root

	mu    sync.Mutex
	lists map[plan.ActionID]*list // guarded by mu
}

// list is what an action reads.
type list struct {
	known chan struct{} // closed when files is set
	files []ship.File
}

// someStore is the node's store or, where there is none, one for this run;
// openStore has said why.
func (r *run) someStore() (*store.Store, error) {
	if r.store != nil {
		return r.store, nil
	}
	err := r.makeScratch()
	if err == nil {
		r.store, err = store.Open(store.Options{Dir: filepath.Join(r.scratch.Dir(), "store")})
	}
	return r.store, err
}

// openGive gets root ready to send files, if some rank is away.
func (r *run) openGive(l *loop) error {
	if !slices.Contains(r.away, true) {
		return nil
	}
	s, err := r.someStore()
	if err != nil {
		return err
	}
	l.lead.give = &give{giver: ship.NewGiver(s.Source)}
	if l.plan.Pipelined {
		l.lead.give.compiler = r.compiler.Path
	}
	l.lead.state.Confine(fixed(l.plan), r.away)
	return nil
}

// openTake asks root for what the actions of this rank read.
func (r *run) openTake(l *loop) error {
	s, err := r.someStore()
	if err != nil {
		return err
	}
	l.take = &take{
		view: *r.view, taker: ship.NewTaker(s, r.view.Dir, r.orders.Local), lists: map[plan.ActionID]*list{},
		eager:    func() bool { return r.cfg.All || r.inbox.peers.haveNothing() },
		compiler: r.orders.Compiler,
		send:     func(kind transport.Kind, body any) error { return l.send(root, kind, body) },
	}
	if l.cache != nil {
		l.cache.listed = l.take.sources
	}
	var own []plan.ActionID
	for i, owner := range l.plan.Owner {
		if owner == l.self {
			own = append(own, plan.ActionID(i))
		}
	}
	slices.SortFunc(own, func(a, b plan.ActionID) int {
		return cmp.Or(cmp.Compare(l.plan.Actions[a].Group, l.plan.Actions[b].Group), cmp.Compare(l.plan.Priority[b], l.plan.Priority[a]))
	})
	return l.take.ask(own...)
}

// ask asks root what actions read, unless it was asked.
func (t *take) ask(actions ...plan.ActionID) error {
	t.mu.Lock()
	var unknown []plan.ActionID
	for _, a := range actions {
		if t.lists[a] == nil {
			t.lists[a] = &list{known: make(chan struct{})}
			unknown = append(unknown, a)
		}
	}
	t.mu.Unlock()
	if len(unknown) == 0 {
		return nil
	}
	return t.send(kindReads, readsMessage{unknown})
}

// listed takes root's answer.
func (t *take) listed(m filesMessage) error {
	var answers []actionFiles
	if err := unpack(m.Packed, &answers); err != nil {
		return err
	}
	for _, answer := range answers {
		t.mu.Lock()
		l := t.lists[answer.Action]
		t.mu.Unlock()
		if l == nil || l.isKnown() {
			return fmt.Errorf("root says unasked what action %d reads", answer.Action)
		}
		if t.eager() {
			if err := t.fetch(answer.Files); err != nil {
				return err
			}
		}
		l.files = answer.Files
		close(l.known)
	}
	return nil
}

// receive takes files that root sends.
func (t *take) receive(f transport.Frame) error {
	var b ship.Batch
	if err := f.Decode(&b); err != nil {
		return err
	}
	var blob io.Reader = strings.NewReader("") // of empty files
	if f.Blob != nil {
		blob = f.Blob
	}
	return t.taker.Receive(b, blob)
}

func (l *list) isKnown() bool {
	select {
	case <-l.known:
		return true
	default:
		return false
	}
}

func (t *take) fetch(files []ship.File) error {
	missing, err := t.taker.Missing(files)
	if err != nil || len(missing) == 0 {
		return err
	}
	return t.send(kindFetch, fetchMessage{missing})
}

// learn returns when it is known what an action reads.
func (t *take) learn(ctx context.Context, a plan.ActionID) error {
	if err := t.ask(a); err != nil {
		return err
	}
	t.mu.Lock()
	l := t.lists[a]
	t.mu.Unlock()
	select {
	case <-l.known:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// files are what an action reads that was learnt of.
func (t *take) files(a plan.ActionID) []ship.File {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lists[a].files
}

// sources are the files of an action that was learnt of, but for the pipelined
// compiler, which runs in the place of another.
func (t *take) sources(a plan.ActionID) []ship.File {
	return slices.DeleteFunc(slices.Clone(t.files(a)), func(f ship.File) bool { return f.Path == t.compiler })
}

// prepare lays out what an action reads and returns the action as it is
// executed there.
func (t *take) prepare(ctx context.Context, a *plan.Action) (*plan.Action, error) {
	files := t.files(a.ID)
	for tries := 0; ; tries++ {
		if err := t.fetch(files); err != nil { // again, if the store was pruned or damaged
			return nil, err
		}
		if err := t.taker.Wait(ctx, files); err != nil {
			return nil, err
		}
		err := t.taker.Lay(files)
		if err == nil {
			break
		}
		if tries == len(files) || !errors.Is(err, store.ErrAbsent) {
			return nil, err
		}
	}
	moved := t.view.Move(a)
	for i := range moved.Steps {
		if dir := moved.Steps[i].Dir; filepath.IsAbs(dir) {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return nil, err
			}
		}
	}
	return moved, nil
}
