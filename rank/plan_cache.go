package rank

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/toolchain"
	"github.com/badbubble/distgo/sync/store"
	"github.com/badbubble/distgo/transport"
)

// A remembered plan is one that an earlier run made, with what tells whether
// the go command would print it again. It is one file in the store's directory.
//
// Invariant: a plan is used again only if nothing that the go command looked at
// to print it is different. When in doubt, the go command is asked.
type remembered struct {
	Env     map[string]string    `msgpack:"e"` // go env
	Asked   []toolchain.Question `msgpack:"q"` // what no file tells
	Answers []string             `msgpack:"a"` // to Asked
	Seen    store.Witness        `msgpack:"s"` // what the go command looked at
	Headers map[string]uint64    `msgpack:"h"` // of sources that may be edited: all that a plan depends on (header)

	// Made is what else the tools read, and the programs, of a run that built
	// them all and said nothing: while it holds too there is nothing to do. It
	// is empty where that is not known.
	Made store.Witness `msgpack:"m"`

	packed []byte // the plan
	tools  *toolchain.Toolchain
	edited []string // sources whose headers are as they were, but not the rest
}

const (
	planMagic = "distgo plan 2\n" // changes with all that a remembered plan consists of
	// maxPlanFile bounds what is read: a plan of 1300 actions takes 0.4 MB packed, what it saw as much.
	maxPlanFile = 64 << 20
	// maxPlans is how many plans are kept: each project, set of flags and place of the program has one.
	maxPlans = 200
)

// planPath is where the plan of this run's request is kept.
func (r *run) planPath() (string, error) {
	q := r.cfg.Request
	return r.rememberedAt(store.NewKey("plan").Strings("main", q.Main...).Strings("output", q.Output).Strings("flags", q.Flags...).
		Strings("how", fmt.Sprint(r.cfg.UnverifiedGo, r.cfg.Pipeline)))
}

// rememberedAt is where something about the project is kept. What it is named by
// cannot change without asking the go command; what may is in the Witness.
func (r *run) rememberedAt(k *store.KeyBuilder) (string, error) {
	dir, err := r.storeDir()
	if err != nil {
		return "", err
	}
	project, err := filepath.Abs(r.cfg.Project)
	if err != nil {
		return "", err
	}
	command, err := toolchain.Command()
	if err != nil {
		return "", err
	}
	own, err := os.Stat(r.cfg.Executable)
	if err != nil {
		return "", err
	}
	k.Strings("magic", planMagic).Strings("distgo", r.cfg.Version, fmt.Sprint(own.Size(), own.ModTime().UnixNano())).
		Strings("project", project, command).Strings("environment", toolchain.PlanEnv()...)
	return filepath.Join(dir, "plans", k.Sum().String()[:32]), nil
}

// recall looks for the plan of an earlier run. It returns nil where there is
// none, or none that holds.
func (r *run) recall(ctx context.Context) *remembered {
	m := r.readRemembered(r.planPath())
	if m == nil {
		return nil
	}
	answered := make(chan bool, 1)
	go func() { answered <- m.confirmed(ctx) }()
	changed := m.Seen.Changed()
	if !<-answered || len(changed) > maxEdited {
		return nil
	}
	for _, path := range changed {
		was, ok := m.Headers[path]
		if is, err := header(path); !ok || err != nil || is != was {
			return nil
		}
		m.edited = append(m.edited, path)
	}
	return m
}

// confirmed reports whether all that was asked is answered as it was.
func (m *remembered) confirmed(ctx context.Context) bool {
	return !slices.Contains(m.Answers, "") && slices.Equal(m.tools.Answers(ctx, m.Asked), m.Answers)
}

// readRemembered reads what is kept at a path. It returns nil where there is
// nothing.
func (r *run) readRemembered(path string, err error) *remembered {
	if err != nil || r.cfg.NoPlanCache {
		return nil // whoever needs the go command or the store will say so
	}
	m, err := readRemembered(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		fmt.Fprintf(r.cfg.Stderr, "distgo: the store: %s is damaged: %v; the go command is asked\n", path, err)
		os.Remove(path)
		return nil
	}
	project, err := filepath.Abs(r.cfg.Project)
	if err != nil {
		return nil
	}
	command, err := toolchain.Command()
	if err != nil {
		return nil
	}
	m.tools = &toolchain.Toolchain{Command: command, Dir: project, Env: m.Env}
	return m
}

// settingsPath is where what the go command says of its settings is kept. That
// is all that a rank other than root has to know of it.
func (r *run) settingsPath() (string, error) { return r.rememberedAt(store.NewKey("settings")) }

// recallTools returns what the go command said of its settings in an earlier
// run, nil where that is not known or need not be so any more.
func (r *run) recallTools() *toolchain.Toolchain {
	m := r.readRemembered(r.settingsPath())
	if m == nil || len(m.Seen.Changed()) > 0 {
		return nil
	}
	return m.tools
}

// askForTools asks the go command, and remembers what it says. That this cannot
// be remembered is no error: the next run asks again.
func (r *run) askForTools(ctx context.Context) (*toolchain.Toolchain, error) {
	begun := time.Now()
	t, err := toolchain.Find(ctx, r.cfg.Project)
	if err != nil || r.cfg.NoPlanCache {
		return t, err
	}
	s := newLooked()
	s.settings(t, map[string]bool{})
	m := &remembered{Env: t.Env}
	var unkept error
	if m.Seen, unkept = store.Observe(s.sights(), begun, nil); unkept == nil {
		var path string
		if path, unkept = r.settingsPath(); unkept == nil {
			unkept = m.write(path)
		}
	}
	if unkept = unsettled(unkept); unkept != nil && r.cfg.Verbose {
		fmt.Fprintf(r.cfg.Stderr, "distgo: keeping the settings of the go command for the next run: %v\n", unkept)
	}
	return t, nil
}

// maxEdited bounds how many changed sources are read in the hope that their
// headers are the same; a checkout of another branch changes more.
const maxEdited = 100

// affected tells, by action, whether a source of it was edited, or of one that it
// depends on. The others are as they were in an earlier run.
func (m *remembered) affected(p *plan.Plan) []bool {
	affected := make([]bool, len(p.Actions))
	var affect func(plan.ActionID)
	affect = func(a plan.ActionID) {
		if !affected[a] {
			affected[a] = true
			p.Dependents(a, affect)
		}
	}
	dirs := map[string]bool{}
	for _, path := range m.edited {
		dirs[filepath.Dir(path)] = true
	}
	for i := range p.Actions {
		a := &p.Actions[i]
		for j := range a.Steps {
			if slices.ContainsFunc(sourceDirs(&a.Steps[j]), func(dir string) bool { return dirs[dir] }) {
				affect(a.ID)
			}
		}
	}
	return affected
}

// upToDate reports whether the programs are those that the plan would make.
func (m *remembered) upToDate() bool {
	return len(m.edited) == 0 && len(m.Made.Places) > 0 && len(m.Made.Changed()) == 0
}

// plan unpacks the plan.
func (m *remembered) plan() (*plan.Plan, error) {
	p := new(plan.Plan)
	if err := unpack(m.packed, p); err != nil {
		return nil, err
	}
	p.Env = m.tools.CommandEnv()
	return p, p.Validate(1)
}

// planned is what a run must know of its plan from before it changes it.
type planned struct {
	packed   []byte
	checkout checkout
	asked    []toolchain.Question
	answers  []string
}

// planned is that of the run which made the plan.
func (m *remembered) planned() planned {
	return planned{m.packed, findCheckout(m.tools), m.Asked, m.Answers}
}

// askForPlan has the go command print the plan.
func (r *run) askForPlan(ctx context.Context) (*plan.Plan, error) {
	r.planned.checkout = findCheckout(r.tools)
	answers := make(chan []string, 1)
	if r.cfg.NoPlanCache || r.planned.checkout.none() {
		answers <- nil
	} else {
		r.planned.asked = toolchain.VersionControl(r.planned.checkout.dir)
		go func() { answers <- r.tools.Answers(ctx, r.planned.asked) }()
	}
	p, captured, questions, err := makePlan(ctx, r.cfg, r.tools)
	r.planned.answers = <-answers
	r.report.Capture = captured.Microseconds()
	if err != nil || r.cfg.NoPlanCache {
		return p, because(ctx, err)
	}
	for _, asked := range questions.PkgConfig {
		q := r.tools.PkgConfig(asked.Args)
		r.planned.asked = append(r.planned.asked, q...)
		r.planned.answers = append(r.planned.answers, r.tools.Answers(ctx, q)...)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	r.planned.packed, err = pack(z, p)
	return p, err
}

// nothingToDo reports, at root, whether the run ends before it has begun: the
// programs are in their places, made of what is there now.
func (r *run) nothingToDo() bool {
	return r.isRoot() && r.mayBeIdle() && r.recalled != nil && r.recalled.upToDate()
}

// NothingToDo reports whether ranks on this machine would find that nothing has
// changed since the last run, and says so as they would. Who would start them
// asks: then none is needed. It takes next to no time where a source has changed.
func NothingToDo(ctx context.Context, cfg Config) bool {
	r := &run{cfg: cfg, begun: time.Now()}
	if !r.mayBeIdle() {
		return false
	}
	m := r.readRemembered(r.planPath())
	if m == nil || len(m.Made.Places) == 0 || !m.Seen.Holds(m.tools.Dir) || !m.Made.Holds(m.tools.Dir) || !m.confirmed(ctx) {
		return false
	}
	r.sayNothingToDo()
	return true
}

// mayBeIdle reports whether a run may end before it has begun.
func (r *run) mayBeIdle() bool { return !r.cfg.All && !r.cfg.Verify && r.cfg.Report == "" }

// sayNothingToDo is the summary of such a run.
func (r *run) sayNothingToDo() {
	met := ""
	if r.world != nil {
		met = fmt.Sprintf(" (%.2fs until all ranks had met)", time.Duration(r.report.Meet*int64(time.Microsecond)).Seconds())
	}
	if !r.cfg.Quiet {
		fmt.Fprintf(r.cfg.Stderr, "distgo: 0 commands in %.2fs%s: nothing has changed since the last run, by whose plan this was found out.\n", time.Since(r.begun).Seconds(), met)
	}
}

// dismiss tells the other ranks that there is nothing to do. Who is lost need
// not know.
func (r *run) dismiss() error {
	for to := 1; to < r.world.Size(); to++ {
		err := r.world.Send(transport.Rank(to), transport.Express, transport.Message{Kind: kindPlan, Body: order{Idle: true}})
		if err != nil && !isLost(err) {
			return err
		}
	}
	r.sayNothingToDo()
	return nil
}

func readRemembered(path string) (*remembered, error) {
	data, err := readBounded(path, maxPlanFile)
	if err != nil {
		return nil, err
	}
	const head = len(planMagic) + sha256.Size + 8
	if len(data) < head || string(data[:len(planMagic)]) != planMagic {
		return nil, errors.New("it is no plan")
	}
	if sum := sha256.Sum256(data[len(planMagic)+sha256.Size:]); !bytes.Equal(sum[:], data[len(planMagic):][:sha256.Size]) {
		return nil, errors.New("its content has another digest")
	}
	n := binary.LittleEndian.Uint64(data[head-8:])
	if data = data[head:]; n > uint64(len(data)) {
		return nil, errors.New("it is cut short")
	}
	m := &remembered{packed: data[n:]}
	return m, unpack(data[:n], m)
}

func (m *remembered) write(path string) error {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	defer z.Close()
	rest, err := pack(z, m)
	if err != nil {
		return err
	}
	body := binary.LittleEndian.AppendUint64(nil, uint64(len(rest)))
	body = append(append(body, rest...), m.packed...)
	sum := sha256.Sum256(body)
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(slices.Concat([]byte(planMagic), sum[:], body))
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return err
	}
	return prunePlans(dir)
}

// prunePlans removes the oldest plans when there are too many, and what killed
// runs left.
func prunePlans(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var plans []fs.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // another run has removed it
		}
		if strings.HasPrefix(e.Name(), ".new-") {
			const abandoned = time.Hour // writing one takes milliseconds
			if time.Since(info.ModTime()) > abandoned {
				os.Remove(filepath.Join(dir, e.Name()))
			}
			continue
		}
		plans = append(plans, info)
	}
	slices.SortFunc(plans, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for len(plans) > maxPlans {
		os.Remove(filepath.Join(dir, plans[0].Name()))
		plans = plans[1:]
	}
	return nil
}

// digest64 is enough of a SHA-256 to tell a changed file by.
func digest64(b []byte) uint64 {
	sum := sha256.Sum256(b)
	return binary.LittleEndian.Uint64(sum[:])
}
