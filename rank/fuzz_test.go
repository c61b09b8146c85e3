package rank

import (
	"errors"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/sync/ship"
	"github.com/badbubble/distgo/sync/store"
	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// FuzzMessages hands any body of any kind to root and to another rank, and lets the loop act on what they make of it:
// an error at worst.
func FuzzMessages(f *testing.F) {
	for kind, body := range map[transport.Kind]any{
		kindWant: wantMessage{0, true}, kindExists: existsMessage{Artifact: 0, Took: 1, Relief: []byte{1}}, kindDone: doneMessage{Action: 1, OK: true}, kindNotify: stepMessage{0},
		kindCommit: stepMessage{0}, kindFail: actionMessage{0}, kindYield: actionMessage{1}, kindYielded: yieldedMessage{1, true},
		kindAssign: assignMessage{plan.Action{ID: 0}, []plan.Rank{0}}, kindOver: overMessage{true}, kindFarewell: farewellMessage{},
		kindAbort: abortMessage{3, "gone"}, kindSurvey: surveyMessage{1, []plan.ArtifactID{0}}, kindHeld: surveyMessage{1, nil},
		kindCutOff: cutOffMessage{1, "gone"},
		kindHolds:  holdsMessage{"other"}, kindAsk: askMessage{make([]byte, 32)}, kindGiven: givenMessage{Key: make([]byte, 32), Entry: []byte("entry")},
		kindOffer: offerMessage{0, make([]byte, 32), 12},
		kindReads: readsMessage{[]plan.ActionID{0}}, kindFiles: filesMessage{[]byte("packed")}, kindFetch: fetchMessage{[][]byte{make([]byte, 32)}},
		kindParcel: ship.Batch{}, kindHelp: helpMessage{1, false}, kindShare: shareMessage{1, make([]byte, 32)},
		kindRepeat: repeatMessage{Action: plan.Action{ID: 0}}, kindGiveUp: actionMessage{1}, kindDismiss: actionMessage{1}, kindRepeated: repeatedMessage{Action: 1, Digests: [][]byte{make([]byte, 32)}},
		kindRecover: recoverMessage{Recovery: superstep.Recovery{Owners: []superstep.Owner{{Action: 1, Rank: 1}}, Holders: []superstep.Holder{{Artifact: 0, Rank: 0}}}},
	} {
		text, err := msgpack.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(kind), true, text)
		f.Add(uint8(kind), false, text)
	}
	kept, err := store.Open(store.Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	worlds := transporttest.NewWorld(f, 2)
	f.Fuzz(func(t *testing.T, kind uint8, toRoot bool, body []byte) {
		w, from := worlds[1], transport.Rank(0)
		if toRoot {
			w, from = worlds[0], 1
		}
		p := onePut(2)
		p.Pipelined, p.Helpers = true, [][]plan.Rank{{1}, {0}}
		l, b := member(t, w, p)
		l.shares.awaited = map[plan.ActionID][]int{plan.ActionID(l.self): nil}
		l.events = make(chan func() error, 8)
		l.rank, _ = superstep.NewRank(l.plan, l.self, 1, superstep.Split)
		l.free = []int{0}
		l.notified, l.committed = make([]int64, 2), make([]int64, 2)
		defer l.tools.Wait()
		defer l.cancel(errors.New("enough"))
		b.peers = newPeers(w, kept, dir, thereAlready)
		if l.lead == nil {
			l.take = &take{
				taker: ship.NewTaker(kept, dir, false), lists: map[plan.ActionID]*list{0: {known: make(chan struct{})}},
				send: func(transport.Kind, any) error { return nil }, eager: func() bool { return true },
			}
		} else {
			l.lead.give = &give{giver: ship.NewGiver(kept.Source)}
			l.lead.state = superstep.NewRoot(l.plan, []int{1, 1}, superstep.Split)
			l.lead.troubles = make([]int, 2)
			l.lead.reliefs = reliefs{made: map[plan.ActionID]made{}, given: map[plan.ArtifactID]made{}}
			l.lead.farewells = make(chan farewell, 4)
		}
		var err error
		// The worlds and their goroutines allocate beside, and an unpacker of files some megabytes.
		if n := allocated(func() {
			err = b.Receive(from, transport.Frame{Kind: transport.Kind(kind), Body: body, Blob: strings.NewReader("")})
		}); n > 64<<20+1000*uint64(len(body)) {
			t.Errorf("kind %d: %d bytes made it allocate %d", kind, len(body), n)
		}
		if err != nil {
			return
		}
		for range 8 {
			select {
			case f := <-l.events:
				l.backlog = append(l.backlog, f)
			default:
			}
			for len(l.backlog) > 0 {
				f := l.backlog[0]
				l.backlog = l.backlog[1:]
				if f() != nil {
					return
				}
			}
		}
	})
}
