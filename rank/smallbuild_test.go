package rank

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/execute"
	"github.com/badbubble/distgo/rank/launch"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/rank/toolchain/pipeline"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/sync/store"
	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// runDeadline is when a run that has not ended counts as hung. It is the bubble's time: silence, patience and farewells
// together take less than a minute.
const runDeadline = 5 * time.Minute

var errHung = errors.New("hung")

// A smallBuild is a whole build without the Go toolchain: its compiles are a shell script that hands out its export data
// early, or no process at all. All ranks live in this process, on a network of their own and in a time of their own.
type smallBuild struct {
	name   string
	plan   *plan.Plan
	slots  []int
	made   string               // what the program is when all is well
	failed bool                 // the code does not build
	setUp  func(works []string) // of the scratch directories, before they are used
	faults func() []*transporttest.Fault
	stores string              // a directory of stores, by rank, from copies of which they start; "" for ranks without
	kept   func(stores string) // sees what became of them
	away   []bool              // by rank; nil where all see root's files
	audit  AuditShare
	slow   func(*leader, plan.Rank, *plan.Action) bool // whom root takes to be slow, with what; nil for its own judgement
	times  []int64                                     // by rank: how many times as long it is known to take; nil where nothing is known
	ended  func(*loop)                                 // sees what became of each rank that came to its end

	withoutTypes bool // its compiler hands out none
}

// outcome is what came out of a run.
type outcome struct {
	errs    []error // by rank
	program string  // at root
	took    time.Duration
}

// compileScript is the stand-in for the compiler: compile EXPORT OBJECT INPUT... An object is four functions, which can
// be shared; it removes the shares that it takes. Unlike the compiler it waits for shares, half a second each, and a minute where a
// test is sure that one comes. A file beside the directories of packages makes it what no compiler should be.
const compileScript = `#!/bin/sh
set -e
x=$1 o=$2; shift 2
spec=${DISTGO_SHARES:-0/1:}
j=${spec%%/*} k=${spec#*/} prefix=${spec#*:}; k=${k%%:*}
if [ -n "$TYPES" ] && [ ${spec%%/*} = 0 ]; then
	waits=
	for i; do [ -f $i ] || { cat $i.types >/dev/null; waits=1; }; done
	echo types >$x.types.part; mv $x.types.part $x.types
	printf '\002' >&3
	if [ -n "$waits" ]; then
		if [ -f ${x%/*/*}/late ]; then
			for i; do until [ -f $i ]; do sleep 0.01; done; done
			sleep 0.5
		fi
		printf '\003' >&3
		until told=$(head -c1 <&3 | od -An -tu1 | tr -d ' ') && [ "$told" = 0 ]; do [ -n "$told" ]; done
	fi
	while [ -f ${x%/*/*}/patient ] && [ $# = 0 ] && ! ls ${x%/*/*}/../*/b002/_pkg_.x.types >/dev/null 2>&1; do sleep 0.01; done
fi
body=$(cat "$@" /dev/null | tr '\n' ' ')
work=${x%/*/*}
[ ! -f $work/strange ] || body="$body strange"
case $x in *-second/*)
	[ ! -f $work/dies ] || kill -9 $$
	[ ! -f $work/refuses ] || { echo "I know better" >&2; exit 1; }
	;;
*)
	[ ! -f $work/dawdles ] || dawdle=$(cat $work/dawdles)
esac
if [ $j != 0 ]; then
	for i in 0 1 2 3; do
		[ $((i % k)) != $j ] || echo "function $i: $body"
	done >$prefix.part
	mv $prefix.part $prefix.$j
	exit 0
fi
cat "$@" /dev/null >$x; echo export >>$x
case $x in *-second/*) [ ! -f $work/strangers ] || echo stranger >>$x ;; esac
[ -z "$EARLY" ] || printf '\001' >&3
while [ "${dawdle:-0}" -gt 0 ]; do sleep 0.01; dawdle=$((dawdle - 1)); done
if [ -f $work/halves ] && rm $work/halves 2>/dev/null; then echo half >$o; kill -9 $$; fi
for i in 0 1 2 3; do
	file=$prefix.$((i % k)) tries=0 most=50
	[ ! -f $file.sure ] || most=6000
	while [ $((i % k)) != 0 ] && [ ! -f $file ] && [ $tries -lt $most ]; do
		sleep 0.01; tries=$((tries + 1))
	done
	if [ $((i % k)) != 0 ] && [ -f $file ]; then grep "^function $i:" $file; else echo "function $i: $body"; fi
done >$o
for i in 1 2 3; do [ ! -f "$prefix.$i" ] || rm "$prefix.$i"; done
`

// toolDir is a directory with that compiler.
func toolDir(t *testing.T) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compile"), []byte(compileScript), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newPlan makes a plan of compiles, each owned by a rank and importing others, and a link at root. Those in tools run the
// script; the rest are written and copied by distgo itself.
func newPlan(t *testing.T, tools string, scripted func(int) bool, owners []plan.Rank, imports ...[]int) *plan.Plan {
	t.Helper()
	p := &plan.Plan{GoVersion: "go1.26", Aside: plan.MostAside}
	link := plan.Action{ID: plan.ActionID(len(imports)), Kind: plan.Link, Package: "main", Node: "b000", Cost: 1, Lead: 1}
	link.Steps = append(link.Steps, transcript.Command{Op: transcript.Mkdir, Args: []string{"$WORK/b000/parts/"}})
	for i, of := range imports {
		a := plan.Action{ID: plan.ActionID(i), Kind: plan.Compile, Package: fmt.Sprintf("p%d", i), Node: fmt.Sprintf("b%03d", i+1), Cost: 10, Lead: 10}
		var paths []string
		for j, name := range []string{"_pkg_.x", "_pkg_.a"} {
			f := plan.Artifact{ID: plan.ArtifactID(len(p.Artifacts)), Kind: plan.ArtifactKind(j + 1), Path: a.Node + "/" + name, Producer: a.ID}
			p.Artifacts = append(p.Artifacts, f)
			a.Outputs = append(a.Outputs, f.ID)
			paths = append(paths, transcript.Work+f.Path)
		}
		var inputs []string
		for _, d := range of {
			f := &p.Artifacts[p.Actions[d].Outputs[0]]
			f.Consumers = append(f.Consumers, a.ID)
			a.Inputs = append(a.Inputs, f.ID)
			a.Group = max(a.Group, p.Actions[d].Group+1)
			inputs = append(inputs, transcript.Work+f.Path)
		}
		if scripted(i) {
			a.Steps = []transcript.Command{{Op: transcript.Run, Args: append(append([]string{filepath.Join(tools, "compile")}, paths...), inputs...), Dir: "$WORK"}}
		} else {
			a.Steps = []transcript.Command{
				{Op: transcript.Write, Args: paths[:1], Body: fmt.Sprintf("export of %d\n", i)},
				{Op: transcript.Write, Args: paths[1:], Body: fmt.Sprintf("object of %d\n", i)},
			}
			for _, in := range inputs { // the last import is the object
				a.Steps = append(a.Steps, transcript.Command{Op: transcript.Copy, Args: []string{in, paths[1]}})
			}
		}
		object := &p.Artifacts[a.Outputs[1]]
		object.Consumers = append(object.Consumers, link.ID)
		link.Inputs = append(link.Inputs, object.ID)
		link.Group = max(link.Group, a.Group+1)
		link.Steps = append(link.Steps, transcript.Command{Op: transcript.Copy, Args: []string{transcript.Work + object.Path, fmt.Sprintf("$WORK/b000/parts/%d", i)}})
		p.Actions = append(p.Actions, a)
	}
	p.Actions = append(p.Actions, link)
	p.Owner = append(append([]plan.Rank{}, owners...), root)
	p.Priority = plan.BottomLevels(p)
	if err := p.Validate(8); err != nil {
		t.Fatal(err)
	}
	return p
}

// run builds in a bubble.
func (b *smallBuild) run(t *testing.T, tools string, faults ...*transporttest.Fault) (o outcome) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	works := make([]string, len(b.slots))
	for i := range works {
		works[i] = filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(works[i], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if b.setUp != nil {
		b.setUp(works)
	}
	stores := filepath.Join(dir, "stores")
	if b.stores != "" {
		if err := os.CopyFS(stores, os.DirFS(b.stores)); err != nil {
			t.Fatal(err)
		}
	}
	if b.faults != nil {
		faults = append(b.faults(), faults...)
	}
	o.errs = make([]error, len(b.slots))
	synctest.Test(t, func(t *testing.T) {
		worlds := transporttest.NewWorld(t, len(b.slots), transporttest.WithFaults(faults...), transporttest.WithConfig(func(c *transport.Config) {
			c.Info, _ = msgpack.Marshal(view{Slots: b.slots[c.Rank], Store: fmt.Sprint("of rank ", c.Rank)}) // of numbers and strings alone
		}))
		ctx, cancel := context.WithTimeoutCause(t.Context(), runDeadline, errHung)
		defer cancel()
		begun := time.Now()
		var all sync.WaitGroup
		for i, w := range worlds {
			all.Go(func() { o.errs[i] = b.rank(ctx, w, works[i], tools) })
		}
		all.Wait()
		o.took = time.Since(begun)
	})
	if o.errs[root] == nil {
		for i := range len(b.plan.Actions) - 1 {
			part, err := os.ReadFile(filepath.Join(works[root], "b000", "parts", fmt.Sprint(i)))
			if err != nil {
				t.Error(err)
			}
			o.program += string(part)
		}
	}
	if b.kept != nil {
		b.kept(stores)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
	return o
}

// rank is the life of one rank from the moment the world stands, as [run.together] and [run.build] lead it.
func (b *smallBuild) rank(ctx context.Context, w *transport.World, work, tools string) (err error) {
	r := &run{world: w, compiler: &pipeline.Compiler{Path: filepath.Join(tools, "compile")}, cfg: Config{
		Place: launch.Place{Rank: int(w.Rank()), Size: w.Size()}, Stderr: io.Discard, Quiet: true, Mode: superstep.Split, Audit: b.audit, Slots: b.slots[w.Rank()],
	}}
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done, watching := make(chan struct{}), make(chan struct{})
	r.inbox = newInbox(done)
	if b.stores != "" {
		if r.store, err = store.Open(store.Options{Dir: filepath.Join(filepath.Dir(work), "stores", filepath.Base(work))}); err != nil {
			return err
		}
		defer r.store.Close()
		r.inbox.peers = newPeers(w, r.store, work, thereAlready)
	}
	w.Start(r.inbox)
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

	p := clonePlan(b.plan)
	if r.isRoot() {
		_, err = sendPlan(w, p, r.cfg.Mode, func(plan.Rank) *away { return nil })
	} else {
		select {
		case frame := <-r.inbox.plans:
			p, _, err = decodePlan(frame, w.Size())
		case <-running.Done():
			err = context.Cause(running)
		}
	}
	if err != nil {
		return err
	}
	l := &loop{
		self: plan.Rank(w.Rank()), plan: p, world: w, slots: b.slots[w.Rank()], events: make(chan func() error, 64), begun: time.Now(),
		runner:      &execute.Runner{Work: work, Env: append(os.Environ(), "TMPDIR="+work), Tools: execute.Tools{Dir: tools}},
		makeScratch: thereAlready,
	}
	l.auditing = b.audit > 0
	l.runner.Pipelined = &execute.Pipelined{Path: filepath.Join(tools, "compile"), Signal: "EARLY", Types: "TYPES"}
	if b.withoutTypes {
		l.runner.Pipelined.Types = ""
	}
	l.ctx, l.cancel = context.WithCancelCause(running)
	defer l.cancel(nil)
	l.exchange = exchange.New(w, work, func(id int32) (exchange.File, bool) {
		if id < 0 || int(id) >= len(p.Artifacts) {
			return exchange.File{}, false
		}
		return l.file(plan.ArtifactID(id)), true
	})
	l.cache = r.newCache(l)
	switch {
	case r.isRoot():
		if err := r.lead(l); err != nil {
			return err
		}
		r.away = b.away
		if b.slow != nil {
			l.lead.state.Judge(func(a plan.ActionID, on plan.Rank) bool { return b.slow(l.lead, on, &p.Actions[a]) })
		}
		for rank, times := range b.times {
			for range 20 {
				l.lead.state.Took(0, plan.Rank(rank), times*p.Actions[0].Cost)
			}
		}
		if b.times != nil {
			l.later(func() error { return l.orders(l.lead.state.Look(0), nil) })
		}
		if err := r.openGive(l); err != nil {
			return err
		}
	case b.away != nil && b.away[w.Rank()]:
		r.orders, r.view = &away{}, &execute.View{Dir: filepath.Join(work, "root")}
		if err := r.openTake(l); err != nil {
			return err
		}
	}
	r.inbox.open(l)
	if err := l.run(r.cfg.Mode); err != nil {
		return err
	}
	if once := slices.Compact(slices.Sorted(slices.Values(l.free))); len(once) != len(l.free) {
		return fmt.Errorf("the free slots are %v", l.free)
	}
	l.keeps.Wait()
	if b.ended != nil {
		b.ended(l)
	}
	if !r.isRoot() {
		return r.takeLeave(l)
	}
	r.farewells(ctx, l)
	if !l.built {
		return &Error{Code: ExitNotBuilt, Err: &execute.Failure{Output: l.lead.output(p)}, Silent: true}
	}
	return nil
}

// clonePlan is a plan that ranks may change.
func clonePlan(p *plan.Plan) *plan.Plan {
	var b bytes.Buffer
	q := new(plan.Plan)
	if err := errors.Join(msgpack.NewEncoder(&b).Encode(p), msgpack.NewDecoder(&b).Decode(q)); err != nil {
		panic(err) // a plan can be encoded
	}
	return q
}
