package rank

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/report"
	"github.com/badbubble/distgo/transport"
)

// leave ends this rank's membership of the world. With an error it is said to
// the others first: root tells everyone, anyone else tells root, who does.
func (r *run) leave(err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err != nil {
		e := failure(err)
		if !r.isRoot() {
			if !e.Silent {
				text := e.Error()
				if e.Code <= exitSignalled { // a signal reaches all ranks: it does not matter which heard first
					text = fmt.Sprintf("rank %d (%s): %s", r.cfg.Place.Rank, r.world.Peer(r.world.Rank()).Host, text)
				}
				sendErr := r.world.Send(root, transport.Express, transport.Message{Kind: kindAbort, Body: abortMessage{uint8(e.Code), text}})
				e.Silent = sendErr == nil // root speaks of it, unless root is who is lost
			}
		} else {
			for to := 1; to < r.world.Size(); to++ {
				// A rank that cannot be told is lost and ends by itself.
				_ = r.world.Send(transport.Rank(to), transport.Express, transport.Message{Kind: kindAbort, Body: abortMessage{uint8(e.Code), e.Error()}})
			}
		}
		err = e
	}
	if cerr := r.world.Close(ctx); cerr != nil && err == nil && r.cfg.Verbose {
		fmt.Fprintf(r.cfg.Stderr, "distgo: rank %d: leaving: %v\n", r.cfg.Place.Rank, cerr)
	}
	return err
}

// takeLeave sends root what this rank did.
func (r *run) takeLeave(l *loop) error {
	cpu, rss := consumed(syscall.RUSAGE_SELF)
	children, _ := consumed(syscall.RUSAGE_CHILDREN)
	m := farewellMessage{
		OwnCPU: cpu, OwnRSS: rss, ChildCPU: children, Exchange: r.inbox.exchanging().Microseconds(),
		Notified: l.notified, Committed: l.committed, Sent: r.sent(), Shares: l.shares.compiled(),
	}
	if l.take != nil {
		m.Shipped = l.take.taker.Counts()
	}
	if err := l.send(root, kindFarewell, m); err != nil {
		return err
	}
	if !l.built {
		return &Error{Code: ExitNotBuilt, Err: fmt.Errorf("the build failed"), Silent: true}
	}
	return nil
}

// conclude is root's end of the build: the words, the report, the summary.
func (r *run) conclude(ctx context.Context, l *loop) error {
	r.report.Wall = time.Since(r.begun).Microseconds()
	r.progress.Clear()
	io.WriteString(r.cfg.Stderr, l.lead.output(l.plan))
	r.fill(l, r.farewells(ctx, l))
	var unwritten error
	if r.cfg.Report != "" {
		unwritten = r.report.Write(r.cfg.Report)
	}
	if err := r.learn(l); err != nil && r.cfg.Verbose {
		fmt.Fprintf(r.cfg.Stderr, "distgo: keeping what was measured for the next run: %v\n", err)
	}
	if !l.built {
		if unwritten != nil {
			fmt.Fprintf(r.cfg.Stderr, "distgo: %v\n", unwritten)
		}
		return &Error{Code: ExitNotBuilt, Err: &execute.Failure{Output: l.lead.output(l.plan)}, Silent: true}
	}
	if unwritten != nil {
		return unwritten
	}
	if !r.cfg.Quiet {
		fmt.Fprintln(r.cfg.Stderr, r.report.Summary())
	}
	if err := r.keepPlan(l); err != nil && r.cfg.Verbose {
		fmt.Fprintf(r.cfg.Stderr, "distgo: keeping the plan for the next run: %v\n", err)
	}
	if r.cfg.Verify {
		return because(ctx, verify(ctx, r.cfg, r.tools, l.plan, r.scratch.Dir()))
	}
	return nil
}

// farewells waits for the others' figures, not long, and not for ranks that are
// lost.
func (r *run) farewells(ctx context.Context, l *loop) []farewell {
	var told []farewell
	missing := map[plan.Rank]bool{}
	for i := 1; i < r.cfg.Place.Size; i++ {
		if l.lead.state.Alive(plan.Rank(i)) {
			missing[plan.Rank(i)] = true
		}
	}
	limited, cancel := context.WithTimeout(ctx, farewellTimeout)
	defer cancel()
	for len(missing) > 0 {
		select {
		case f := <-l.lead.farewells:
			delete(missing, f.from)
			if !f.lost {
				told = append(told, f)
			}
			continue
		case <-limited.Done():
			if !r.cfg.Quiet {
				fmt.Fprintf(r.cfg.Stderr, "distgo: no word from %s at the end; the figures lack what happened there\n", named(missing))
			}
		}
		break
	}
	return told
}

// named lists ranks: "rank 2", "ranks 2, 5".
func named(ranks map[plan.Rank]bool) string {
	var words []string
	for _, rank := range slices.Sorted(maps.Keys(ranks)) {
		words = append(words, fmt.Sprint(rank))
	}
	if len(words) == 1 {
		return "rank " + words[0]
	}
	return "ranks " + strings.Join(words, ", ")
}

// fill completes the report from what root recorded and the others told.
func (r *run) fill(l *loop, told []farewell) {
	rep := &r.report
	rep.Schema, rep.Distgo, rep.Go = report.Schema, r.cfg.Version, l.plan.GoVersion
	rep.Program, rep.Flags = r.cfg.Request.Main, r.cfg.Request.Flags
	rep.Barrier, rep.Compiler, rep.Size = r.cfg.Mode.String(), "stock", r.cfg.Place.Size
	if l.plan.Pipelined {
		rep.Compiler = "pipelined"
	}
	rep.HeadStarts, rep.Aside = l.aheads.possible, l.plan.Aside
	rep.Outcome = "built"
	if !l.built {
		rep.Outcome = "failed"
	}
	rep.Actions, rep.Moved = l.lead.records, l.lead.moved
	rep.Audit, rep.Seconds = l.lead.audits.report(), l.lead.seconds
	rep.Reliefs, rep.Relieved = l.lead.reliefs.begun, l.lead.reliefs.taken

	cpu, rss := consumed(syscall.RUSAGE_SELF)
	children, _ := consumed(syscall.RUSAGE_CHILDREN)
	own := farewellMessage{OwnCPU: cpu, OwnRSS: rss, ChildCPU: children, Notified: l.notified, Committed: l.committed, Sent: r.sent(), Shares: l.shares.compiled()}
	if r.inbox != nil {
		own.Exchange = r.inbox.exchanging().Microseconds()
	}
	rep.RootRSS = rss
	records := append([]farewell{{from: root, farewellMessage: own}}, told...)
	slots := 0
	for i := range rep.Ranks {
		slots += rep.Ranks[i].Slots
	}
	for _, f := range records {
		k := &rep.Ranks[f.from]
		k.OwnCPU, k.OwnRSS, k.Exchange = f.OwnCPU, f.OwnRSS, f.Exchange
		k.OtherCPU = f.ChildCPU // of that the tools' is taken off below
		k.Read, k.Fetched = f.Shipped.Read-f.Shipped.Local, f.Shipped.Asked
		for _, s := range f.Sent {
			k.Sent = append(k.Sent, report.Bytes{Kind: s.Kind, Frames: s.Frames, Bytes: s.Bytes})
		}
	}
	r.supersteps(l, records)
	for _, f := range records {
		for _, s := range f.Shares {
			if s.Action >= 0 && int(s.Action) < len(l.plan.Actions) {
				rep.Shares = append(rep.Shares, l.lead.share(l.plan, f.from, s))
			}
		}
	}

	var end, link int64
	for i := range rep.Actions {
		a := &rep.Actions[i]
		k := &rep.Ranks[a.Rank]
		k.Executed += a.Took()
		k.CPU += a.CPU
		k.Commands += a.Commands
		end = max(end, a.End)
		if a.Kind == plan.Link.String() && (link == 0 || a.Start < link) {
			link = a.Start
		}
	}
	if link == 0 {
		link = end
	}
	for i := range rep.Shares {
		s := &rep.Shares[i]
		k := &rep.Ranks[s.Rank]
		k.Helped += s.Took()
		k.CPU += s.CPU
	}
	for i := range rep.Seconds {
		s := &rep.Seconds[i]
		k := &rep.Ranks[s.Rank]
		k.Seconds += s.Took()
		k.CPU += s.CPU
	}
	for i := range rep.Ranks {
		k := &rep.Ranks[i]
		k.OtherCPU = max(0, k.OtherCPU-k.CPU)
		k.Waiting = link * int64(k.Slots)
		for j := range rep.Actions {
			if a := &rep.Actions[j]; a.Rank == i {
				k.Waiting -= a.Until(link)
			}
		}
		for j := range rep.Shares {
			if s := &rep.Shares[j]; s.Rank == i {
				k.Waiting -= s.Until(link)
			}
		}
		for j := range rep.Seconds {
			if s := &rep.Seconds[j]; s.Rank == i {
				k.Waiting -= s.Until(link)
			}
		}
	}
	rep.Bound = report.NewBound(rep.Actions, slots, rep.HeadStarts)
	if rep.Bound.Lower > 0 {
		rep.Bound.Ratio = float64(end) / float64(rep.Bound.Lower)
	}
}

func (r *run) supersteps(l *loop, records []farewell) {
	size := r.cfg.Place.Size
	for k, actions := range l.plan.Groups() {
		s := report.Superstep{
			Superstep: int32(k), Actions: len(actions),
			Execute: make([]int64, size), Notified: make([]int64, size), Committed: make([]int64, size),
		}
		for _, f := range records {
			if k < len(f.Notified) && k < len(f.Committed) {
				s.Notified[f.from], s.Committed[f.from] = f.Notified[k], f.Committed[k]
			}
		}
		r.report.Supers = append(r.report.Supers, s)
	}
	for i := range r.report.Actions {
		a := &r.report.Actions[i]
		r.report.Supers[a.Group].Execute[a.Rank] += a.Took()
	}
}

// sent sums what this rank sent by what it was.
func (r *run) sent() []sent {
	if r.world == nil {
		return nil
	}
	kinds := map[string]*sent{}
	for _, t := range r.world.Traffic() {
		name := "messages"
		switch {
		case t.Kind == kindPut && t.Lane == transport.Bulk:
			name = "object"
		case t.Kind == kindShare:
			name = "share"
		case t.Kind == kindPut:
			name = "export"
		case t.Kind == kindPlan, t.Kind == kindAssign:
			name = "plan"
		case t.Kind == kindFiles, t.Kind == kindParcel:
			name = "files"
		}
		if kinds[name] == nil {
			kinds[name] = &sent{Kind: name}
		}
		kinds[name].Frames += int64(t.FramesOut)
		kinds[name].Bytes += int64(t.BytesOut)
	}
	var all []sent
	for _, name := range []string{"export", "object", "share", "plan", "files", "messages"} {
		if s := kinds[name]; s != nil {
			all = append(all, *s)
		}
	}
	return all
}

// consumed is the CPU time in microseconds and peak memory in bytes of this process,
// or of the children that it has waited for.
func consumed(who int) (cpu, rss int64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0, 0
	}
	return (u.Utime.Nano() + u.Stime.Nano()) / 1000, u.Maxrss * 1024
}
