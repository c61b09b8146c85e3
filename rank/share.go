package rank

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/toolchain/pipeline"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/transport"
)

// A share is a part of a package's functions that another rank compiles, a
// helper of the action. Who executes the action calls its helpers when the store
// does not have it, and dismisses them when it has ended. A helper repeats the
// front end, compiles its functions, and sends the file that comes out; the
// action's own compile looks for the file between its functions, and compiles
// itself what is not there. So no share is waited for, and what goes wrong with
// one is counted, no more.

// maxShare bounds a share's file. The largest packages' objects have some 20 MB.
const maxShare = 64 << 20

// shares is what a rank knows of shares. Its zero value is ready.
type shares struct {
	running map[plan.ActionID]*shareRun // that are compiled here; the loop's

	mu      sync.Mutex
	awaited map[plan.ActionID][]int // by action that is executed here with helpers: those that have come; guarded by mu
	ended   []*shareRun             // those that were compiled here; guarded by mu
}

// shareRun is a share that is compiled here. Its place is the loop's, its record who compiles it.
type shareRun struct {
	inSlot
	stop   context.CancelFunc
	record shareRecord
}

// inShares is an action whose compile is told that it is one share of several.
func inShares(a *plan.Action, share, of int) *plan.Action {
	b := *a
	b.Steps = slices.Clone(a.Steps)
	compile := &b.Steps[a.CompileStep()]
	compile.Env = append(slices.Clip(compile.Env), fmt.Sprintf("%s=%d/%d:%s%s/share", pipeline.SharesEnv, share, of, transcript.Work, b.Node))
	return &b
}

// shareOf is what a helper executes of an action: its compile, and what that needs
// before, in a directory of its own. The rank may execute the action itself, later.
func shareOf(a *plan.Action, share, of int) *plan.Action {
	b := aside(a, "-share")
	b.Steps = b.Steps[:b.CompileStep()+1]
	return inShares(&b, share, of)
}

// shareFile is where a share of an action lies on the rank that executes it, and
// where a helper makes it.
func (l *loop) shareFile(node string, share int) string {
	return filepath.Join(l.runner.Work, node, fmt.Sprintf("share.%d", share))
}

// shared is an action as it is executed here: its compile is told of shares if
// it has helpers. Whether they are called is another matter.
func (l *loop) shared(a *plan.Action) *plan.Action {
	_, of := l.plan.Share(a.ID, l.self)
	if of == 1 || a.CompileStep() < 0 {
		return a
	}
	return inShares(a, 0, of)
}

// callHelpers calls the helpers of an action that is about to be executed here.
func (l *loop) callHelpers(a *plan.Action) error {
	if len(l.plan.HelpersOf(a.ID)) == 0 {
		return nil
	}
	l.shares.mu.Lock()
	if l.shares.awaited == nil {
		l.shares.awaited = map[plan.ActionID][]int{}
	}
	l.shares.awaited[a.ID] = nil
	l.shares.mu.Unlock()
	return l.tellHelpers(helpMessage{Action: a.ID})
}

// dismissHelpers tells the helpers of an action that has ended here, if they
// were called, and returns the shares that its compile took: those it removed.
func (l *loop) dismissHelpers(a *plan.Action) []int {
	l.shares.mu.Lock()
	come, called := l.shares.awaited[a.ID]
	delete(l.shares.awaited, a.ID)
	l.shares.mu.Unlock()
	if called {
		_ = l.tellHelpers(helpMessage{a.ID, true}) // a share that is compiled in vain harms nobody
	}
	return slices.DeleteFunc(come, func(share int) bool {
		_, err := os.Stat(l.shareFile(a.Node, share))
		return err == nil
	})
}

func (l *loop) tellHelpers(m helpMessage) error {
	for _, to := range l.plan.HelpersOf(m.Action) {
		if to == l.self { // it was to help, and has taken over the action
			continue
		}
		if err := l.send(to, kindHelp, m); err != nil {
			return err
		}
	}
	return nil
}

// help decodes a call for help.
func (l *loop) help(f transport.Frame) (helpMessage, error) {
	m, err := decode[helpMessage](f)
	if err == nil && (m.Action < 0 || int(m.Action) >= len(l.plan.Actions)) {
		err = fmt.Errorf("help with action %d of %d", m.Action, len(l.plan.Actions))
	}
	return m, err
}

// called is what a helper does about a call.
func (l *loop) called(by plan.Rank, m helpMessage) error {
	if !m.Over {
		return l.effects(l.rank.Called(m.Action, by))
	}
	return l.effects(l.rank.Dismissed(m.Action, by), nil)
}

// startShare compiles a share in a goroutine of its own.
func (l *loop) startShare(h superstep.Help) {
	a := l.plan.Actions[h.Action] // as it is now: root may hand this rank the action itself, commands and all
	ctx, stop := context.WithCancel(l.ctx)
	run := &shareRun{inSlot: inSlot{slot: l.free[0]}, stop: stop, record: shareRecord{Action: a.ID, Slot: l.free[0]}}
	l.free = l.free[1:]
	threads := l.divided(superstep.Execution{Action: a.ID, Share: true}, h.Threads)
	if l.shares.running == nil {
		l.shares.running = map[plan.ActionID]*shareRun{}
	}
	l.shares.running[a.ID] = run
	l.tools.Go(func() {
		defer stop()
		m := &run.record
		m.Start = l.now()
		send, err := l.compileShare(ctx, &a, threads, m)
		m.End = l.now()
		m.Failed = err != nil && ctx.Err() == nil
		l.shares.mu.Lock()
		l.shares.ended = append(l.shares.ended, run)
		l.shares.mu.Unlock()
		l.post(func() error { return l.helped(run, send) })
	})
}

// compileShare makes a share's file, and returns the message that carries it.
func (l *loop) compileShare(ctx context.Context, a *plan.Action, threads *execute.Threads, m *shareRecord) (send *transport.Message, err error) {
	share, of := l.plan.Share(a.ID, l.self)
	if a.CompileStep() < 0 || l.take != nil {
		return nil, fmt.Errorf("%s cannot be shared with this rank", a.Package)
	}
	b := shareOf(a, share, of)
	if err := l.makeScratch(); err != nil {
		return nil, err
	}
	if err := l.prepareAside(a, b); err != nil {
		return nil, err
	}
	result, err := l.runner.Run(ctx, b, threads, execute.Moments{})
	m.CPU, m.RSS = result.CPU.Microseconds(), result.MaxRSS
	if err != nil {
		return nil, err
	}
	if err := l.unaltered(a, &doneMessage{}); err != nil {
		return nil, err // the action may have been given sound inputs
	}
	// It may be called for again while this one is on its way.
	file := fmt.Sprintf("%s.%d", l.shareFile(b.Node, share), m.Start)
	if err := os.Rename(l.shareFile(b.Node, share), file); err != nil {
		return nil, err
	}
	digest, size, err := exchange.DigestFile(file)
	if err != nil {
		return nil, err
	}
	if size > maxShare {
		return nil, fmt.Errorf("a share of %s has %d bytes, at most %d are possible", a.Package, size, maxShare)
	}
	m.Bytes = size
	return &transport.Message{Kind: kindShare, Body: shareMessage{a.ID, digest[:]}, Blob: &transport.Blob{
		Size: size, Open: func() (io.ReadCloser, error) { return os.Open(file) },
	}}, nil
}

// helped sends a share to who wants it.
func (l *loop) helped(run *shareRun, send *transport.Message) error {
	a := run.record.Action
	delete(l.shares.running, a)
	if run.slot >= 0 {
		l.free = append(l.free, run.slot)
	}
	delete(l.threads, superstep.Execution{Action: a, Share: true})
	to, wanted, effects, err := l.rank.Helped(a)
	if err == nil && wanted && send != nil {
		// On the lane of export data: it is as urgent, and objects on their way to root may be many.
		if err = l.world.Send(transport.Rank(to), transport.Express, *send); isLost(err) {
			err = nil
		}
	}
	return l.effects(effects, err)
}

// receiveShare puts a share where the compile that runs here finds it. One that
// is damaged, or that nobody waits for, is thrown away.
func (l *loop) receiveShare(from plan.Rank, f transport.Frame) error {
	m, err := decode[shareMessage](f)
	if err != nil {
		return err
	}
	if m.Action < 0 || int(m.Action) >= len(l.plan.Actions) || len(m.Digest) != len(exchange.Digest{}) {
		return fmt.Errorf("rank %d sends a share of action %d of %d, with a digest of %d bytes", from, m.Action, len(l.plan.Actions), len(m.Digest))
	}
	share, _ := l.plan.Share(m.Action, from)
	if share == 0 || f.BlobSize > maxShare {
		return fmt.Errorf("rank %d sends share %d of action %d, of %d bytes: at most %d are possible", from, share, m.Action, f.BlobSize, maxShare)
	}
	l.shares.mu.Lock()
	_, awaited := l.shares.awaited[m.Action]
	l.shares.mu.Unlock()
	if !awaited {
		return drop(f)
	}
	file := l.shareFile(l.plan.Actions[m.Action].Node, share)
	if exchange.Store(file+".come", f, exchange.Digest(m.Digest)) != nil {
		return drop(f) // which fails if it is the connection that does
	}
	l.shares.come(m.Action, share, file)
	return nil
}

// come puts a share that has arrived in its place, if it is still awaited. It
// counts as come from that moment, in which the compile may take it.
func (s *shares) come(a plan.ActionID, share int, file string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if come, awaited := s.awaited[a]; awaited && !slices.Contains(come, share) && os.Rename(file+".come", file) == nil {
		s.awaited[a] = append(come, share)
	}
}

// compiled lists the shares that were compiled here. It is called by the loop, or when that has ended.
func (s *shares) compiled() (all []shareRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, run := range s.ended {
		m := run.record
		m.Held = run.holds(m.Start, m.End)
		all = append(all, m)
	}
	return all
}
