package rank

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/schedule"
	"github.com/badbubble/distgo/transport"
)

// history is how long root saw packages take in earlier runs: what the
// scheduler goes by where there is one. It is a hint: a lost or a stale one
// makes placement worse, nothing else. Times are CPU microseconds, which a busy
// machine stretches less than the clock's.
type history map[string]measured

// measured is the last time a package was compiled.
type measured struct {
	Estimate int64  `msgpack:"e"` // what its source's size let expect then
	CPU      int64  `msgpack:"c"`
	Lead     int64  `msgpack:"l"` // of that, until its export data was there; 0 if at the end
	Host     string `msgpack:"h"` // the node that has it in its store
}

// maxHistory bounds the file: 20,000 packages of a hundred bytes each.
const (
	maxHistory      = 20_000
	maxHistoryBytes = 16 << 20
)

// historyPath separates what is not comparable.
func (r *run) historyPath(p *plan.Plan) (string, error) {
	dir, err := r.storeDir()
	if err != nil {
		return "", err
	}
	compiler := "stock"
	if p.Pipelined {
		compiler = "pipelined"
	}
	return filepath.Join(dir, fmt.Sprintf("history-%s-%s-%s-%s", p.GoVersion, r.tools.Env["GOOS"], r.tools.Env["GOARCH"], compiler)), nil
}

// remember replaces the plan's estimates with what was measured, scaled by how
// the source has grown since. It returns what it goes by.
func (r *run) remember(p *plan.Plan) history {
	path, err := r.historyPath(p)
	if err != nil {
		return nil
	}
	seen, err := readHistory(path)
	if err != nil {
		return nil // a hint that cannot be read is none
	}
	for i := range p.Actions {
		a := &p.Actions[i]
		m, ok := seen[historyKey(a.Kind.String(), a.Package)]
		if !ok || m.Estimate <= 0 || m.CPU <= 0 {
			continue
		}
		grown := float64(a.Cost) / float64(m.Estimate)
		a.Estimate = a.Cost
		a.Cost = max(1, int64(float64(m.CPU)*grown))
		a.Lead = a.Cost
		if p.Pipelined && m.Lead > 0 {
			a.Lead = max(1, int64(float64(m.Lead)*grown))
		}
	}
	p.Priority = plan.BottomLevels(p)
	return seen
}

// overload is how much more than its share of the work a rank is given because
// its store has it, when no other rank can help out should that not be so.
const overload = 1.25

// goHome moves actions back to the nodes that executed them last time and have
// what they made in their stores. The last world may have been smaller, and the
// code may have changed since: with a limit, that of Blocking mode, in which
// nobody takes actions from a rank that has too many, none gets much more than
// its share.
func (h history) goHome(p *plan.Plan, hosts []string, ranks []schedule.Rank, limited bool) {
	home := map[string][]plan.Rank{}
	load := make([]float64, len(ranks))
	share, slots := 0.0, 0
	for i, host := range hosts {
		home[host] = append(home[host], plan.Rank(i))
		slots += ranks[i].Slots
	}
	for i := range p.Actions {
		load[p.Owner[i]] += float64(p.Actions[i].Cost)
		share += float64(p.Actions[i].Cost) / float64(slots)
	}
	for i := range p.Actions {
		a := &p.Actions[i]
		there := home[h[historyKey(a.Kind.String(), a.Package)].Host]
		if len(there) > 0 && there[0] == root {
			there = there[:1] // its store is theirs, and the link takes the objects of all
		}
		if len(there) == 0 || a.Kind == plan.Link || slices.Contains(there, p.Owner[i]) {
			continue
		}
		to, cost := there[i%len(there)], float64(a.Cost)
		if limited && load[to]+cost > overload*share*float64(ranks[to].Slots) {
			continue
		}
		load[p.Owner[i]] -= cost
		load[to] += cost
		p.Owner[i] = to
		if len(p.Helpers) > 0 { // nobody helps itself
			p.Helpers[i] = slices.DeleteFunc(slices.Clone(p.Helpers[i]), func(h plan.Rank) bool { return h == to })
		}
	}
}

// learn adds this run's measurements to the history.
func (r *run) learn(l *loop) error {
	path, err := r.historyPath(l.plan)
	if err != nil {
		return err
	}
	seen, err := readHistory(path)
	if err != nil || len(seen) > maxHistory {
		seen = history{}
	}
	for i := range r.report.Actions {
		a := &r.report.Actions[i]
		key, host := historyKey(a.Kind, a.Package), r.report.Ranks[a.Rank].Host
		if a.Cached {
			if m, ok := seen[key]; ok {
				m.Host = host
				seen[key] = m
			}
			continue
		}
		if a.CPU <= 0 || a.Took() <= 0 {
			continue
		}
		m := measured{Estimate: l.plan.Actions[a.ID].Estimate, CPU: a.CPU, Host: host}
		if m.Estimate == 0 {
			m.Estimate = a.Cost
		}
		if a.Exported > a.Start {
			m.Lead = int64(float64(a.CPU) * float64(a.Front()) / float64(a.Took()))
		}
		m.CPU += schedule.Spared(r.report.HelpersCPU(a.ID, m.Lead))
		seen[key] = m
	}
	return seen.write(path)
}

func historyKey(kind, pkg string) string { return kind + " " + pkg }

func readHistory(path string) (history, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return history{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	packed, err := io.ReadAll(io.LimitReader(f, maxHistoryBytes))
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxHistoryBytes), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	text, err := z.DecodeAll(packed, nil)
	if err != nil {
		return nil, err
	}
	h := history{}
	return h, transport.Frame{Body: text}.Decode(&h)
}

func (h history) write(path string) error {
	var text bytes.Buffer
	if err := msgpack.NewEncoder(&text).Encode(h); err != nil {
		return err
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		return err
	}
	defer z.Close()
	tmp, err := os.CreateTemp(filepath.Dir(path), ".history-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(z.EncodeAll(text.Bytes(), nil))
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}
