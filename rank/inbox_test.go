package rank

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/sync/exchange"
	"github.com/badbubble/distgo/sync/store"
	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// listener is a handler that tells of losses and drops the rest.
type listener struct{ lost chan transport.Rank }

func (h listener) Receive(_ transport.Rank, f transport.Frame) error {
	if f.Blob == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, f.Blob)
	return err
}
func (h listener) Lost(from transport.Rank, _ error) { h.lost <- from }

// frame is a message as it arrives.
func frame(t *testing.T, kind transport.Kind, body any) transport.Frame {
	t.Helper()
	text, err := msgpack.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return transport.Frame{Kind: kind, Body: text}
}

// onePut is a plan of one action whose export data the last rank reads.
func onePut(size int) *plan.Plan {
	return &plan.Plan{
		Actions: []plan.Action{
			{ID: 0, Kind: plan.Compile, Package: "p", Node: "b001", Outputs: []plan.ArtifactID{0}},
			{ID: 1, Kind: plan.Compile, Package: "q", Node: "b002", Group: 1, Inputs: []plan.ArtifactID{0}},
		},
		Artifacts: []plan.Artifact{{Kind: plan.Export, Path: "b001/_pkg_.x", Consumers: []plan.ActionID{1}}},
		Owner:     []plan.Rank{0, plan.Rank(size - 1)},
		Priority:  []int64{2, 1},
	}
}

// member is the loop of a rank in a world, and its inbox.
func member(t *testing.T, w *transport.World, p *plan.Plan) (*loop, *inbox) {
	l := alone(t, p, 1)
	l.self, l.world = plan.Rank(w.Rank()), w
	if l.self != root {
		l.lead = nil
	}
	l.exchange = exchange.New(w, l.runner.Work, func(id int32) (exchange.File, bool) {
		if id < 0 || int(id) >= len(p.Artifacts) {
			return exchange.File{}, false
		}
		return l.file(plan.ArtifactID(id)), true
	})
	b := newInbox(t.Context().Done())
	b.open(l)
	return l, b
}

// A rank that asks for an artifact and is gone before it gets it is lost, which is told apart; its request breaks nothing.
func TestWantOfALostRank(t *testing.T) {
	network := transporttest.NewNetwork()
	worlds := transporttest.NewWorld(t, 3, transporttest.WithNetwork(network))
	l, b := member(t, worlds[0], onePut(3))
	path := filepath.Join(l.runner.Work, "b001", "_pkg_.x")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("export data"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := frame(t, kindWant, wantMessage{0, true})
	heard := listener{make(chan transport.Rank, 2)}
	worlds[0].Start(heard)
	for _, w := range worlds[1:] {
		w.Start(listener{make(chan transport.Rank, 2)})
	}
	if err := b.Receive(2, want); err != nil {
		t.Fatalf("a rank that is there: %v", err)
	}
	network.Kill(2)
	select {
	case lost := <-heard.lost:
		if lost != 2 {
			t.Fatalf("rank %d is lost", lost)
		}
	case <-time.After(patience):
		t.Fatal("rank 2 is not lost")
	}
	if err := b.Receive(2, want); err != nil {
		t.Errorf("a rank that is lost: %v", err)
	}
	if err := b.Receive(1, want); err != nil {
		t.Errorf("the other ranks get theirs: %v", err)
	}
}

// Root alone directs the others.
func TestOnlyRootDirects(t *testing.T) {
	_, b := member(t, transporttest.NewWorld(t, 3)[1], onePut(3))
	for _, kind := range byRootAlone {
		if err := b.Receive(2, frame(t, kind, overMessage{})); err == nil || !strings.Contains(err.Error(), "for root to send") {
			t.Errorf("kind %d: %v", kind, err)
		}
	}
}

// Numbers from the wire are compared with the plan.
func TestInboxChecksNumbers(t *testing.T) {
	worlds := transporttest.NewWorld(t, 2)
	_, atRoot := member(t, worlds[0], onePut(2))
	_, elsewhere := member(t, worlds[1], onePut(2))
	for _, c := range []struct {
		to   *inbox
		from transport.Rank
		f    transport.Frame
		says string
	}{
		{atRoot, 1, frame(t, kindWant, wantMessage{1, true}), "wants artifact 1 of 1"},
		{atRoot, 1, frame(t, kindWant, wantMessage{-1, true}), "wants artifact -1 of 1"},
		{elsewhere, 0, frame(t, kindOffer, offerMessage{1, make([]byte, 32), 1}), "offers artifact 1 of 1"},
		{elsewhere, 0, frame(t, kindOffer, offerMessage{-1, make([]byte, 32), 1}), "offers artifact -1 of 1"},
		{elsewhere, 0, frame(t, kindOffer, offerMessage{0, make([]byte, 31), 1}), "a digest of 31 bytes"},
		{elsewhere, 0, frame(t, kindFail, actionMessage{2}), "action 2 of 2"},
		{elsewhere, 0, frame(t, kindYield, actionMessage{-1}), "action -1 of 2"},
		{elsewhere, 0, frame(t, kindDone, doneMessage{}), "for root"},
		{elsewhere, 0, frame(t, kindFarewell, farewellMessage{}), "not root"},
		{atRoot, 1, frame(t, 99, wantMessage{}), "unknown kind 99"},
	} {
		if err := c.to.Receive(c.from, c.f); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, expected words of %q", c.f.Kind, err, c.says)
		}
	}
}

// What comes out of a store is sent to a rank once, and taken out of that rank's own store the next time.
func TestOffer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	for _, sent := range []bool{true, false} {
		worlds := transporttest.NewWorld(t, 2)
		holder, atRoot := member(t, worlds[0], onePut(2))
		taker, elsewhere := member(t, worlds[1], onePut(2))
		kept, err := store.Open(store.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		taker.cache = &cache{store: kept, plan: taker.plan, exchange: taker.exchange, file: taker.file}
		path := filepath.Join(holder.runner.Work, "b001", "_pkg_.x")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("export data"), 0o600)); err != nil {
			t.Fatal(err)
		}
		holder.exchange.Known(holder.file(0), sha256.Sum256([]byte("export data")), int64(len("export data")))
		if !sent {
			if err := os.Remove(path); err != nil { // so that it cannot be
				t.Fatal(err)
			}
		}
		worlds[0].Start(atRoot)
		worlds[1].Start(elsewhere)
		result := make(chan error, 1)
		go func() { result <- taker.run(superstep.Split) }()
		if err := holder.put(superstep.Put{Artifact: 0, To: 1}); err != nil {
			t.Fatal(err)
		}
		heard := time.After(patience)
		for ended := false; !ended; {
			select {
			case <-holder.events: // what rank 1 tells root: that it has executed what reads the file
				text, err := os.ReadFile(filepath.Join(taker.runner.Work, "b001", "_pkg_.x"))
				ended = err == nil && string(text) == "export data"
			case err := <-result:
				t.Fatalf("sent %v: rank 1 ended: %v", sent, err)
			case <-heard:
				t.Fatalf("sent %v: it does not arrive", sent)
			}
		}
		taker.cancel(errors.New("enough"))
		<-result
		if err := kept.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// An action that is assigned to a rank that has none of its inputs: they are asked for, put, and it is executed.
func TestAssignedActionGetsItsInputs(t *testing.T) {
	worlds := transporttest.NewWorld(t, 3)
	holder, atRoot := member(t, worlds[0], onePut(3))
	taker, elsewhere := member(t, worlds[1], onePut(3))
	path := filepath.Join("b001", "_pkg_.x")
	if err := os.MkdirAll(filepath.Join(holder.runner.Work, "b001"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(holder.runner.Work, path), []byte("export data"), 0o600); err != nil {
		t.Fatal(err)
	}
	worlds[0].Start(atRoot)
	worlds[1].Start(elsewhere)
	worlds[2].Start(listener{make(chan transport.Rank, 2)})
	result := make(chan error, 1)
	go func() { result <- taker.run(superstep.Split) }()
	a := taker.plan.Actions[1]
	a.Steps = []transcript.Command{{Op: transcript.Copy, Args: []string{"$WORK/b001/_pkg_.x", "$WORK/b002/copied"}}}
	if err := holder.send(1, kindAssign, assignMessage{a, []plan.Rank{0}}); err != nil {
		t.Fatal(err)
	}
	heard := time.After(patience)
	for ended := false; !ended; {
		select {
		case <-holder.events: // what rank 1 tells root: exists, done, notify
			text, err := os.ReadFile(filepath.Join(taker.runner.Work, "b002", "copied"))
			ended = err == nil && string(text) == "export data"
		case err := <-result:
			t.Fatalf("rank 1 ended: %v", err)
		case <-heard:
			t.Fatal("the action is not executed")
		}
	}
	given := errors.New("enough")
	taker.cancel(given)
	if err := <-result; err != given {
		t.Errorf("rank 1 ended with %v", err)
	}
}

// A rank that is lost before the plan is here is left out when it is.
func TestLossBeforeThePlan(t *testing.T) {
	worlds := transporttest.NewWorld(t, 3)
	l, _ := member(t, worlds[0], onePut(3))
	b := newInbox(t.Context().Done())
	b.Lost(2, errors.New("its process has ended"))
	select {
	case e := <-b.aborts:
		t.Fatalf("the run ends: %v", e)
	default:
	}
	b.open(l)
	if len(l.backlog) != 1 {
		t.Fatalf("the loop is told %d things", len(l.backlog))
	}
	b.abortOnLoss = true
	b.Lost(1, errors.New("its process has ended"))
	if e := <-b.aborts; e.Code != ExitWorld {
		t.Errorf("with --on-loss=abort: %v", e)
	}
}
