package rank

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/rank/scratch"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/rank/toolchain/pipeline"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/sync/store"
	"github.com/badbubble/distgo/transport"
)

// How long ranks wait for each other at the end. A rank that has left says so
// at once; these are for one that cannot.
const (
	farewellTimeout = 5 * time.Second // for the records of the others
	closeTimeout    = 3 * time.Second // for their goodbyes, and for an abort to reach them
	joinGrace       = 5 * time.Second // for joining ranks, once root knows that there is no plan
)

// Run is one rank's life: it returns when the program is in its place and
// every trace of the run but the program is gone, or with an *Error.
func Run(ctx context.Context, cfg Config) error {
	r := &run{cfg: cfg, begun: time.Now()}
	if err := r.mayAudit(); err != nil {
		return err
	}
	err := r.openMeeting(ctx)
	if err == nil {
		err = errors.Join(r.run(ctx), r.closeMeeting())
	}
	if err != nil {
		return failure(err)
	}
	return nil
}

// run is what the phases of one run hand on to each other.
type run struct {
	cfg         Config
	begun       time.Time
	tools       *toolchain.Toolchain
	compiler    *pipeline.Compiler // nil for the stock one
	scratch     *scratch.Scratch
	makeScratch func() error // once; before anything is put there
	meeting     *launch.Meeting
	world       *transport.World // nil for one rank alone: it opens no socket
	inbox       *inbox
	progress    *report.Progress
	store       *store.Store              // nil where there is none
	keeps       func()                    // waits for what is being put there; nil before the build
	recalled    *remembered               // nil where this run's plan was not made before
	foreseen    sync.Map                  // at root: what foresee found
	idle        bool                      // at root: there is nothing to do
	planned     planned                   // at root
	observed    func() (*observed, error) // there: observePlan, once
	notes       notebook
	report      report.Report

	place    toolchain.Place // what tools sees
	toolless error           // why there are no tools
	away     []bool          // at root, by rank
	orders   *away           // at a rank that is away
	view     *execute.View   // there
}

func (r *run) isRoot() bool { return r.cfg.Place.Rank == root }

func (r *run) run(ctx context.Context) (err error) {
	if r.isRoot() {
		r.progress = report.NewProgress(r.cfg.Stderr, r.cfg.Quiet, r.begun)
		defer r.progress.Clear()
		if r.recalled = r.recall(ctx); r.recalled != nil {
			r.tools = r.recalled.tools
		}
	}
	if r.idle = r.nothingToDo(); r.idle && r.cfg.Place.Size == 1 {
		r.sayNothingToDo()
		return nil
	}
	if err := r.reserveScratch(); err != nil {
		return err
	}
	defer func() { err = r.closeScratch(err) }()
	if err := r.openStore(); err != nil {
		return err
	}
	defer func() { r.closeStore(ctx, err == nil) }()
	if r.idle { // the others are told so, which takes none of the rest
		return r.together(ctx)
	}
	if r.isRoot() { // it has something to do; another rank may have nothing
		if err := r.makeScratch(); err != nil {
			return err
		}
	}
	if err := r.findTools(ctx); err != nil {
		return err
	}
	if r.cfg.Place.Size == 1 {
		return r.alone(ctx)
	}
	return r.together(ctx)
}

// alone makes the plan, and builds. What is wrong with what was asked for shows before a
// compiler is made, which takes a minute.
func (r *run) alone(ctx context.Context) error {
	p, err := r.makePlan(ctx)
	if err != nil {
		return err
	}
	if err := r.makeCompiler(ctx); err != nil {
		return err
	}
	if err := r.equip(p); err != nil {
		return err
	}
	r.remember(p)
	return r.build(ctx, ctx, p, r.cfg.Mode)
}

// reserveScratch names the directory that everything but the program is written to.
func (r *run) reserveScratch() (err error) {
	base := r.cfg.Scratch
	if base == "" {
		base = os.TempDir()
	}
	r.scratch, err = scratch.Reserve(base, r.cfg.Place.RunID(), r.cfg.Place.Rank, r.cfg.Executable)
	r.makeScratch = sync.OnceValue(r.openScratch)
	return err
}

// openScratch makes that directory.
func (r *run) openScratch() error {
	if err := r.scratch.Make(); err != nil {
		return err
	}
	if swept, err := r.scratch.Swept(); r.cfg.Verbose && (len(swept) > 0 || err != nil) {
		fmt.Fprintf(r.cfg.Stderr, "distgo: rank %d: cleared away what dead runs left: %v%s\n", r.cfg.Place.Rank, swept, but(err))
	}
	if r.cfg.KeepWork {
		fmt.Fprintf(r.cfg.Stderr, "WORK=%s\n", r.scratch.Dir())
		if err := r.scratch.Keep(); err != nil {
			return err
		}
	}
	return os.Mkdir(r.tmp(), 0o700)
}

// tmp is TMPDIR of the tools.
func (r *run) tmp() string { return r.scratch.Dir() + "/tmp" }

func but(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf("; but %v", err)
}

// closeScratch removes the directory. What could not be removed is said, also
// by a rank that has nothing to say on what went wrong before.
func (r *run) closeScratch(err error) error {
	left := r.scratch.Close()
	if err == nil || left == nil {
		return errors.Join(err, left)
	}
	fmt.Fprintf(r.cfg.Stderr, "distgo: rank %d: clearing up: %v\n", r.cfg.Place.Rank, left)
	return err
}

// makePlan captures and places the plan, at root.
func (r *run) makePlan(ctx context.Context) (*plan.Plan, error) {
	if r.tools == nil {
		return nil, r.toolless
	}
	if r.recalled != nil {
		p, err := r.recalled.plan()
		if err == nil {
			r.planned, r.report.PlanStored = r.recalled.planned(), true
			return p, check(r.cfg, p)
		}
	}
	return r.askForPlan(ctx)
}

// together meets the other ranks, gets or makes the plan, and builds.
func (r *run) together(ctx context.Context) (err error) {
	running, cancel := context.WithCancelCause(ctx) // while the others are needed
	defer cancel(nil)
	var made struct {
		sync.WaitGroup
		plan *plan.Plan
		err  error
	}
	defer made.Wait()
	meanwhile, haveMet := context.WithCancel(running)
	defer haveMet()
	meeting, giveUp := context.WithCancelCause(running)
	defer giveUp(nil)
	if r.isRoot() && !r.idle {
		made.Go(func() {
			if made.plan, made.err = r.makePlan(running); made.err != nil {
				// Nothing will be built. Those who are on their way are told so; the rest find nobody.
				time.AfterFunc(joinGrace, func() { giveUp(made.err) })
			} else if r.recalled != nil && r.store != nil && !r.cfg.All {
				foresee(meanwhile, r.store, made.plan, &r.foreseen)
			}
		})
	}
	if err := r.join(meeting); err != nil {
		cancel(err)
		made.Wait()
		if made.err != nil && !errors.Is(made.err, context.Canceled) && meeting.Err() != nil {
			err = made.err
		}
		if r.world != nil { // it stands, but the launcher could not be told
			err = r.leave(err)
		}
		return err
	}
	watching := make(chan struct{})
	done := make(chan struct{})
	r.inbox = newInbox(done)
	r.inbox.abortOnLoss, r.inbox.takeCompiler = r.cfg.AbortOnLoss, r.takeCompiler
	if r.store != nil {
		r.inbox.peers = newPeers(r.world, r.store, r.scratch.Dir(), r.makeScratch)
	}
	r.world.Start(r.inbox)
	go func() {
		defer close(watching)
		r.watch(done, cancel)
	}()
	stopServing := r.serve(running, cancel)
	defer func() {
		err = firstCause(running, err)
		stopServing()
		close(done)
		<-watching
		err = r.leave(err)
	}()

	var p *plan.Plan
	mode := r.cfg.Mode
	switch {
	case r.idle:
		return r.dismiss()
	case r.isRoot():
		haveMet()
		made.Wait()
		if made.err != nil {
			return made.err
		}
		if err := r.makeCompiler(running); err != nil {
			return err
		}
		if p, err = r.distribute(made.plan); err != nil {
			return err
		}
	default:
		select {
		case frame := <-r.inbox.plans:
			if p, mode, err = r.takePlan(frame); err != nil || p == nil {
				return err
			}
		case <-running.Done():
			return context.Cause(running)
		}
	}
	return r.build(ctx, running, p, mode)
}

// watch cancels the run when a peer gives it up, is lost, or breaks the protocol.
func (r *run) watch(done <-chan struct{}, cancel context.CancelCauseFunc) {
	select {
	case reason := <-r.inbox.aborts:
		cancel(reason)
	case <-r.world.Done():
		cancel(&Error{Code: ExitWorld, Err: r.world.Err()})
	case <-done:
	}
}

// slots is how many actions this rank executes side by side.
func (r *run) slots() int {
	if r.cfg.Slots > 0 {
		return r.cfg.Slots
	}
	return launch.Slots(r.cfg.Place, launch.Available(os.ReadFile))
}

// rankSlots is the slots of every rank, as they told, and whether all have
// root's store.
func (r *run) rankSlots() (slots []int, oneStore bool, err error) {
	slots, oneStore = []int{r.slots()}, r.store != nil
	views, err := r.views()
	for _, v := range views {
		slots = append(slots, max(1, v.Slots))
		oneStore = oneStore && v.Store == r.store.ID()
	}
	return slots, oneStore, err
}

// views are those of all ranks but this one, root.
func (r *run) views() (views []view, err error) {
	for i := 1; i < r.cfg.Place.Size; i++ {
		var v view
		if err := (transport.Frame{Body: r.world.Peer(transport.Rank(i)).Info}).Decode(&v); err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

// distribute places the plan and sends every rank its part.
func (r *run) distribute(p *plan.Plan) (*plan.Plan, error) {
	slots, _, err := r.rankSlots()
	if err != nil {
		return nil, err
	}
	if err := r.compareViews(); err != nil {
		return nil, err
	}
	if err := r.equip(p); err != nil {
		return nil, err
	}
	seen := r.remember(p)
	ranks := make([]schedule.Rank, len(slots))
	for i := range ranks {
		ranks[i].Slots = slots[i]
	}
	if r.mayShare() {
		schedule.Help(p, ranks, schedule.Gigabit)
	} else {
		schedule.Place(p, ranks, schedule.Gigabit)
	}
	if r.recalled != nil && !r.cfg.All { // who helps is put what it takes, most often for nothing
		for i, affected := range r.recalled.affected(p) {
			if !affected && len(p.Helpers) > 0 {
				p.Helpers[i] = nil
			}
		}
	}
	if !r.cfg.All { // what is in the stores does not matter then
		hosts := make([]string, r.world.Size())
		for i := range hosts {
			hosts[i] = r.world.Peer(transport.Rank(i)).Host
		}
		seen.goHome(p, hosts, ranks, r.cfg.Mode == superstep.Blocking)
	}
	fetchHome(p, r.away, slots)
	if err := r.giveCompiler(p); err != nil {
		return nil, err
	}
	begun := time.Now()
	r.report.PlanBytes, err = sendPlan(r.world, p, r.cfg.Mode, func(to plan.Rank) *away {
		if !r.away[to] {
			return nil
		}
		return r.awayOrder(p)
	})
	r.report.Send = time.Since(begun).Microseconds()
	return p, err
}

// mayShare reports whether ranks may help each other compile a package, where
// the plan is pipelined. In blocking mode nobody does, as in the textbook; ranks
// that are away compile from other paths; and for other platforms the compiler
// does not share (see shareable in its distgo_shares.go).
func (r *run) mayShare() bool {
	os, arch := r.tools.Env["GOOS"], r.tools.Env["GOARCH"]
	return r.cfg.Mode == superstep.Split && !slices.Contains(r.away, true) && os == "linux" && (arch == "amd64" || arch == "arm64")
}

// build executes this rank's part of the plan while running lasts, and at root
// does all that follows. Who leaves then is not missed: it ends with ctx alone.
func (r *run) build(ctx, running context.Context, p *plan.Plan, mode superstep.Mode) error {
	slots := r.slots()
	l := &loop{
		self: plan.Rank(r.cfg.Place.Rank), plan: p, world: r.world, slots: slots,
		events: make(chan func() error, 64), // frames and tools hardly ever wait for the loop
		begun:  time.Now(),

		makeScratch: r.makeScratch,
	}
	l.auditing, l.seconds.keep = r.cfg.Audit > 0, r.cfg.KeepWork
	r.keeps = l.keeps.Wait
	l.ctx, l.cancel = context.WithCancelCause(running)
	defer l.cancel(nil)
	l.exchange = exchange.New(r.world, r.scratch.Dir(), func(id int32) (exchange.File, bool) {
		if id < 0 || int(id) >= len(p.Artifacts) {
			return exchange.File{}, false
		}
		return l.file(plan.ArtifactID(id)), true
	})
	var err error
	if l.runner, err = r.runner(p); err != nil {
		return err
	}
	l.cache = r.newCache(l)
	if r.isRoot() {
		if err := r.lead(l); err != nil {
			return err
		}
		if err := r.openGive(l); err != nil {
			return err
		}
	} else if r.orders != nil {
		if err := r.openTake(l); err != nil {
			return err
		}
	}
	r.report.Plan = time.Since(r.begun).Microseconds()
	if r.inbox != nil {
		r.inbox.open(l)
	}
	if err := l.run(mode); err != nil {
		return err
	}
	if !r.isRoot() {
		return r.takeLeave(l)
	}
	return r.conclude(ctx, l)
}

// lead sets up root's duties.
func (r *run) lead(l *loop) error {
	r.observed = sync.OnceValues(func() (*observed, error) { return r.observePlan(l.plan) })
	slots, oneStore := []int{l.slots}, true
	if r.world != nil {
		var err error
		if slots, oneStore, err = r.rankSlots(); err != nil {
			return err
		}
	}
	l.lead = &leader{
		state:    superstep.NewRoot(l.plan, slots, r.cfg.Mode),
		troubles: make([]int, len(slots)),
		alone:    -1,
		observe:  r.observe,

		abortOnLoss: r.cfg.AbortOnLoss,
		progress:    r.progress,
		farewells:   make(chan farewell, 2*r.cfg.Place.Size),
		reliefs:     reliefs{made: map[plan.ActionID]made{}, given: map[plan.ArtifactID]made{}},
	}
	if r.cfg.Audit > 0 {
		l.lead.audits = &audits{share: r.cfg.Audit, run: r.cfg.Place.RunID(), made: map[plan.ActionID]made{}}
	}
	if last, ok := l.plan.Last(); ok {
		l.lead.alone = last
	}
	if l.lead.held = oneStore && !r.cfg.All; l.lead.held { // with several stores, that which has nothing is to be filled
		l.lead.state.Hold()
	}
	for i := range l.plan.Actions {
		l.lead.steps = append(l.lead.steps, l.plan.Actions[i].Steps)
		r.report.Planned += l.plan.Actions[i].Commands()
	}
	for i, n := range slots {
		host := ""
		if r.world != nil {
			host = r.world.Peer(transport.Rank(i)).Host
		} else if name, err := os.Hostname(); err == nil {
			host = name
		}
		r.report.Ranks = append(r.report.Ranks, report.Rank{Rank: i, Host: host, Slots: n})
		if host == r.report.Ranks[0].Host {
			l.lead.cores += n
		}
	}
	return nil
}
