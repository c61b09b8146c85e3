package superstep

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/badbubble/distgo/plan"
)

type op uint8

const (
	opPut op = iota + 1
	opWant
	opExists
	opDone
	opGaveBack
	opNotify
	opYield
	opYielded
	opAssign
	opCommit
	opSurvey
	opHeld
	opRecover
	opLost
	opCall
	opDismiss
	opRepeat
	opRepeated
	opDismissSecond
	opGiveUp
	opGaveUp
	opTypes
)

// A message is what is on its way; it never changes.
type message struct {
	op       op
	n        int32 // artifact, action, superstep, epoch or rank
	ok       bool
	why      Reason
	ranks    []plan.Rank
	files    []plan.ArtifactID
	recovery *Recovery
}

// A job is an action that runs, a share of one, its second execution, or its head start.
type job struct {
	action   plan.ActionID
	exported bool // or will not be, as it is made again
	share    bool
	second   bool
	relief   bool
	ceasing  bool // may be ended before its end
	givingUp bool // is to be given up
	typed    bool // has handed out its types
	ahead    bool
	quit     bool // a head start nobody wants
	joined   bool // a head start whose action was started: it has the slot of that, if any
	held     bool
}

// cosmos is one state of a world.
type cosmos struct {
	ranks           []Rank
	root            Root
	links           [][]message         // by sender*size+receiver
	jobs            [][]job             // by rank
	paused          [][]job             // by rank: head starts that can be continued
	meanwhile       [][]plan.ArtifactID // by rank: what came while it was being made
	dead            []bool
	runs            []int8 // by action
	twice           []bool // by action: root was told of a second execution
	over            bool
	losses, returns int // that may still come
	slow            int // as do words that a rank is slow
}

// rankParts and rootParts are what changes in the state machines. TestExploreKnowsAll checks that nothing is forgotten.
func rankParts(r *Rank) []any {
	return []any{&r.state, &r.doomed, &r.missing, &r.here, &r.made, &r.owner, &r.asked, &r.queue.ids, &r.sharing, &r.caller, &r.shares.ids, &r.seconds, &r.occupied, &r.active,
		&r.typed, &r.ahead, &r.aheads.ids, &r.held.ids, &r.reliefs.ids, &r.reliefs.priority, &r.begun, &r.open, &r.due, &r.notified, &r.committed}
}

func rootParts(r *Root) []any {
	return []any{&r.owner, &r.ended, &r.dropped, &r.failed, &r.tried, &r.homeless, &r.missing, &r.holder, &r.exists, &r.exporter, &r.alive, &r.epoch, &r.asked,
		&r.answers, &r.moving, &r.settled, &r.load, &r.reached, &r.open, &r.left, &r.closed, &r.finished, &r.slots, &r.held, &r.audits, &r.vain, &r.withdrawn}
}

func TestExploreKnowsAll(t *testing.T) {
	for _, c := range []struct {
		of    reflect.Type
		parts int
		rest  []string // never change, or are empty between events
	}{
		{reflect.TypeFor[Rank](), len(rankParts(new(Rank))) - 1, []string{"plan", "self", "mode", "slots", "out"}},
		{reflect.TypeFor[Root](), len(rootParts(new(Root))), []string{"plan", "mode", "out", "fixed", "away", "helped", "paces", "judge"}},
	} {
		if c.of.NumField() != c.parts+len(c.rest) {
			t.Errorf("%v has %d fields, %d are explored, %d are not", c.of, c.of.NumField(), c.parts, len(c.rest))
		}
	}
}

// separate gives a copied state memory of its own.
func separate(parts []any) {
	for _, p := range parts {
		switch p := p.(type) {
		case *[]state:
			*p = slices.Clone(*p)
		case *[]bool:
			*p = slices.Clone(*p)
		case *[]int:
			*p = slices.Clone(*p)
		case *[]int64:
			*p = slices.Clone(*p)
		case *[]plan.Rank:
			*p = slices.Clone(*p)
		case *[]plan.ActionID:
			*p = slices.Clone(*p)
		case *[]plan.Superstep:
			*p = slices.Clone(*p)
		case *[]headStart:
			*p = slices.Clone(*p)
		case *[]second:
			*p = slices.Clone(*p)
		case *[]audit:
			*p = slices.Clone(*p)
		case *[]Threads:
			*p = slices.Clone(*p)
		case *[][]plan.ActionID:
			*p = slices.Clone(*p)
			for i := range *p {
				(*p)[i] = slices.Clone((*p)[i])
			}
		case *[][]plan.Rank:
			*p = slices.Clone(*p)
			for i := range *p {
				(*p)[i] = slices.Clone((*p)[i])
			}
		case *map[plan.ArtifactID]plan.Rank:
			*p = maps.Clone(*p)
		case *int, *bool, *plan.Superstep:
		default:
			panic(fmt.Sprintf("a part of type %T", p))
		}
	}
}

func number[T ~int | ~int8 | ~int32 | ~int64 | ~uint8](b []byte, s []T) []byte {
	b = binary.AppendVarint(b, int64(len(s)))
	for _, v := range s {
		b = binary.AppendVarint(b, int64(v))
	}
	return b
}

func flags(b []byte, s []bool) []byte {
	for _, v := range s {
		b = append(b, flag(v))
	}
	return b
}

func flag(v bool) byte {
	if v {
		return 1
	}
	return 0
}

// encode appends what tells one state from another.
func encode(b []byte, parts []any) []byte {
	for _, p := range parts {
		switch p := p.(type) {
		case *[]state:
			b = number(b, *p)
		case *[]bool:
			b = flags(b, *p)
		case *[]int:
			b = number(b, *p)
		case *[]int64:
			b = number(b, *p)
		case *[]plan.Rank:
			b = number(b, *p)
		case *[]plan.ActionID:
			b = number(b, *p)
		case *[]plan.Superstep:
			b = number(b, *p)
		case *[]headStart:
			b = number(b, *p)
		case *[]Threads:
			for _, t := range *p {
				b = append(b, byte(t.Action), flag(t.Share), flag(t.Second), flag(t.Ahead), byte(t.Threads))
			}
		case *[]second:
			for _, s := range *p {
				b = append(b, byte(s.action), flag(s.running), flag(s.ceasing), flag(s.wanted), byte(s.why))
			}
			b = append(b, 255)
		case *[]audit:
			for _, u := range *p {
				b = append(b, byte(u.action), byte(u.on), flag(u.relief), flag(u.made))
			}
			b = append(b, 255)
		case *[][]plan.ActionID:
			for _, s := range *p {
				b = number(b, s)
			}
		case *[][]plan.Rank:
			for _, s := range *p {
				b = number(b, s)
			}
		case *map[plan.ArtifactID]plan.Rank:
			for _, k := range slices.Sorted(maps.Keys(*p)) {
				b = number(b, []int32{int32(k), int32((*p)[k])})
			}
			b = append(b, 255)
		case *int:
			b = binary.AppendVarint(b, int64(*p))
		case *plan.Superstep:
			b = binary.AppendVarint(b, int64(*p))
		case *bool:
			b = append(b, flag(*p))
		}
	}
	return b
}

func (m *message) encode(b []byte) []byte {
	b = append(b, byte(m.op), flag(m.ok), byte(m.why))
	b = binary.AppendVarint(b, int64(m.n))
	b = number(b, m.ranks)
	b = number(b, m.files)
	if r := m.recovery; r != nil {
		b = append(b, flag(r.Lost))
		for _, o := range r.Owners {
			b = number(b, []int32{int32(o.Action), int32(o.Rank), int32(flag(o.Stays))})
		}
		b = append(b, 255)
		for _, h := range r.Holders {
			b = number(b, []int32{int32(h.Artifact), int32(h.Rank)})
		}
		b = append(b, 255)
	}
	return b
}

func (x *exploration) key(c *cosmos, b []byte) uint64 {
	b = b[:0]
	for i := range c.ranks {
		if !c.dead[i] { // what a dead rank thought is of no consequence
			b = encode(b, rankParts(&c.ranks[i]))
		}
		b = append(b, 254)
	}
	b = encode(b, rootParts(&c.root))
	for _, l := range c.links {
		for i := range l {
			b = l[i].encode(b)
		}
		b = append(b, 254)
	}
	for _, of := range [][][]job{c.jobs, c.paused} {
		for _, jobs := range of {
			for _, j := range jobs {
				b = append(b, byte(j.action), flag(j.exported), flag(j.share), flag(j.second), flag(j.relief), flag(j.ceasing), flag(j.givingUp),
					flag(j.typed), flag(j.ahead), flag(j.quit), flag(j.joined), flag(j.held))
			}
			b = append(b, 254)
		}
	}
	for _, files := range c.meanwhile {
		b = number(b, files)
	}
	b = flags(b, c.dead)
	b = number(b, c.runs)
	b = flags(b, c.twice)
	b = append(b, flag(c.over), byte(c.losses), byte(c.returns), byte(c.slow))
	return maphash.Bytes(x.seed, b)
}

func (c *cosmos) clone() *cosmos {
	d := *c
	d.ranks = slices.Clone(c.ranks)
	for i := range d.ranks {
		if !d.dead[i] {
			separate(rankParts(&d.ranks[i]))
		}
	}
	separate(rootParts(&d.root))
	d.links = slices.Clone(c.links)
	d.jobs, d.paused, d.meanwhile = slices.Clone(c.jobs), slices.Clone(c.paused), slices.Clone(c.meanwhile)
	for i := range d.jobs {
		d.meanwhile[i] = slices.Clone(d.meanwhile[i])
		d.jobs[i], d.paused[i] = slices.Clone(d.jobs[i]), slices.Clone(d.paused[i])
	}
	for i := range d.links {
		d.links[i] = slices.Clip(d.links[i]) // an append copies
	}
	d.dead = slices.Clone(c.dead)
	d.runs = slices.Clone(c.runs)
	d.twice = slices.Clone(c.twice)
	return &d
}
