package rank

import (
	"bytes"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/transport"
	"github.com/badbubble/distgo/transport/transporttest"
)

// travelling is a plan with something in every field that is sent.
func travelling(size int) *plan.Plan {
	p := producing()
	p.GoVersion, p.Env, p.Pipelined = "go1.26.8", []string{"GOAMD64=v1", "PATH=/bin"}, true
	for i := range p.Actions {
		a := &p.Actions[i]
		a.Cost, a.Lead = int64(1000*i+7), int64(10*i+1)
		a.Steps = append(a.Steps, transcript.Command{
			Op: transcript.Run, Dir: "/home/me", Env: []string{"CGO_LDFLAGS=-lm"}, Args: []string{"/go/compile", "-o", "$WORK/x", "Schrödinger's \"file\".go"},
			Body: strings.Repeat("packagefile fmt=$WORK/b002/_pkg_.x\n", 20), Stdout: "$WORK/b001/out", MayFail: i == 1,
		})
		p.Owner[i] = plan.Rank(i % size)
	}
	p.Artifacts[1].Size = 1 << 40
	if size > 2 {
		p.Helpers = make([][]plan.Rank, len(p.Actions))
		p.Helpers[0] = []plan.Rank{2, 1}
	}
	p.Priority = plan.BottomLevels(p)
	return p
}

// asSeenBy is what a rank has of a plan: the commands of the actions only that it owns or helps.
func asSeenBy(p *plan.Plan, rank plan.Rank) *plan.Plan {
	mine := *p
	mine.Actions = slices.Clone(p.Actions)
	for i := range mine.Actions {
		if share, _ := p.Share(plan.ActionID(i), rank); share == 0 && p.Owner[i] != rank {
			mine.Actions[i].Steps = nil
		}
	}
	return &mine
}

// A plan arrives as it was sent, in worlds of all sizes.
func TestPlanOnTheWire(t *testing.T) {
	for _, size := range []int{2, 3, 5, 8} {
		worlds := transporttest.NewWorld(t, size)
		sent := travelling(size)
		inboxes := make([]*inbox, size)
		for r, w := range worlds {
			inboxes[r] = newInbox(t.Context().Done())
			w.Start(inboxes[r])
		}
		mode := superstep.Split
		if size%2 == 1 {
			mode = superstep.Blocking
		}
		if n, err := sendPlan(worlds[0], sent, mode, func(plan.Rank) *away { return nil }); err != nil || n <= 0 {
			t.Fatalf("size %d: %d bytes, %v", size, n, err)
		}
		for r := 1; r < size; r++ {
			select {
			case f := <-inboxes[r].plans:
				got, m, err := decodePlan(f, size)
				if err != nil || m != mode {
					t.Fatalf("size %d, rank %d: mode %s, %v", size, r, m, err)
				}
				if want := asSeenBy(sent, plan.Rank(r)); !reflect.DeepEqual(got, want) {
					t.Errorf("size %d, rank %d got\n%+v\nof\n%+v", size, r, got, want)
				}
			case <-time.After(patience):
				t.Fatalf("size %d: rank %d gets no plan", size, r)
			}
		}
	}
}

// planFrame is a plan as it arrives.
func planFrame(t testing.TB, mode superstep.Mode, skeleton, own []byte) transport.Frame {
	t.Helper()
	body, err := msgpack.Marshal(order{Mode: uint8(mode), Skeleton: int64(len(skeleton))})
	if err != nil {
		t.Fatal(err)
	}
	blob := slices.Concat(skeleton, own)
	return transport.Frame{Kind: kindPlan, Body: body, BlobSize: int64(len(blob)), Blob: bytes.NewReader(blob)}
}

func encoder(t testing.TB) *zstd.Encoder {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { z.Close() })
	return z
}

func TestPlanRefused(t *testing.T) {
	z := encoder(t)
	packed := func(v any) []byte {
		text, err := pack(z, v)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := travelling(2)
	skeleton, own := packed(asSeenBy(good, -1)), packed([]actionSteps{{1, good.Actions[1].Steps}})
	if _, _, err := decodePlan(planFrame(t, superstep.Split, skeleton, own), 2); err != nil {
		t.Fatal(err)
	}
	longer := planFrame(t, superstep.Split, skeleton, own)
	longer.Body, _ = msgpack.Marshal(order{Mode: 1, Skeleton: longer.BlobSize + 1})
	below := planFrame(t, superstep.Split, skeleton, own)
	below.Body, _ = msgpack.Marshal(order{Mode: 1, Skeleton: -1})
	for says, f := range map[string]transport.Frame{
		"barrier mode 3":             planFrame(t, 3, skeleton, own),
		"is said to begin with":      longer,
		"begin with -1":              below,
		"unpacking the plan":         planFrame(t, superstep.Split, skeleton[:len(skeleton)-5], own),
		"the body is empty":          planFrame(t, superstep.Split, nil, own),
		"malformed msgpack":          planFrame(t, superstep.Split, z.EncodeAll([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, nil), own),
		"commands for action 3 of 3": planFrame(t, superstep.Split, skeleton, packed([]actionSteps{{3, nil}})),
		"commands for action -1":     planFrame(t, superstep.Split, skeleton, packed([]actionSteps{{-1, nil}})),
		"has 0 arguments":            planFrame(t, superstep.Split, skeleton, packed([]actionSteps{{1, []transcript.Command{{Op: transcript.Run}}}})),
		"writes outside":             planFrame(t, superstep.Split, skeleton, packed([]actionSteps{{1, []transcript.Command{{Op: transcript.Write, Args: []string{"/etc/passwd"}}}}})),
		"owners and":                 planFrame(t, superstep.Split, packed(&plan.Plan{Owner: []plan.Rank{0}}), packed([]actionSteps{})),
		"exceeds configured limit":   planFrame(t, superstep.Split, z.EncodeAll(make([]byte, 100<<20), nil), own),
	} {
		if _, _, err := decodePlan(f, 2); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, expected words of %q", err, says)
		}
	}
	oversized := frame(t, kindPlan, order{})
	oversized.Blob, oversized.BlobSize = strings.NewReader(""), maxPlan+1
	for _, f := range []transport.Frame{frame(t, kindPlan, order{}), {Kind: kindPlan}, oversized} {
		if _, err := readPlanFrame(f); err == nil {
			t.Errorf("a plan of %d bytes was read", f.BlobSize)
		}
	}
	f, err := readPlanFrame(frame(t, kindPlan, order{Idle: true}))
	if err != nil {
		t.Fatal(err)
	}
	if p, _, err := new(run).takePlan(f); p != nil || err != nil {
		t.Errorf("in place of a plan: %v, %v", p, err)
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A few bytes cannot claim much memory.
func TestPlanBomb(t *testing.T) {
	z := encoder(t)
	bomb := z.EncodeAll(make([]byte, 100<<20), nil)
	if n := allocated(func() { decodePlan(planFrame(t, superstep.Split, bomb, nil), 2) }); n > 40<<20 {
		t.Errorf("%d packed bytes made it allocate %d", len(bomb), n)
	}
}

// FuzzDecodePlan takes the two parts of a plan, packed or not. What decodes can be executed by the state machines, and
// travels on unchanged.
func FuzzDecodePlan(f *testing.F) {
	z := encoder(f)
	good := travelling(2)
	text := func(v any) []byte {
		var b bytes.Buffer
		e := msgpack.NewEncoder(&b)
		e.UseCompactInts(true)
		if err := e.Encode(v); err != nil {
			f.Fatal(err)
		}
		return b.Bytes()
	}
	skeleton, own := text(asSeenBy(good, -1)), text([]actionSteps{{1, good.Actions[1].Steps}})
	f.Add(true, skeleton, own)
	f.Add(true, text(&plan.Plan{}), text([]actionSteps{}))
	f.Add(false, z.EncodeAll(skeleton, nil), z.EncodeAll(own, nil))
	f.Add(true, []byte{0xdd, 0x00, 0x0f, 0xff, 0xff}, []byte{0xc0})
	f.Fuzz(func(t *testing.T, pack bool, skeleton, own []byte) {
		n := uint64(len(skeleton) + len(own))
		if pack {
			skeleton, own = z.EncodeAll(skeleton, nil), z.EncodeAll(own, nil)
		} else {
			n *= maxRatio
		}
		frame := planFrame(t, superstep.Split, skeleton, own)
		var p *plan.Plan
		var err error
		// A byte of msgpack becomes an action of some 250 bytes at worst, and slices grow by doubling. Decoders have buffers.
		if used := allocated(func() { p, _, err = decodePlan(frame, 2) }); used > 1000*n+32<<20 {
			t.Fatalf("%d bytes made it allocate %d", n, used)
		}
		if err != nil {
			return
		}
		superstep.NewRank(p, 1, 2, superstep.Blocking)
		again, steps, err := encodePlan(p, 2)
		if err != nil {
			t.Fatal(err)
		}
		q, _, err := decodePlan(planFrame(t, superstep.Split, again, steps[1]), 2)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := fmt.Sprintf("%+v", asSeenBy(p, 1)), fmt.Sprintf("%+v", q); a != b {
			t.Fatalf("went as\n%s\ncame as\n%s", a, b)
		}
	})
}

// BenchmarkDecodePlan is what a rank does between the plan's arrival and its first action.
func BenchmarkDecodePlan(b *testing.B) {
	p := independent(3000, travelling(2).Actions[0].Steps...)
	for i := range p.Actions {
		p.Owner[i] = plan.Rank(i % 2)
	}
	skeleton, own, err := encodePlan(p, 2)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := decodePlan(planFrame(b, superstep.Split, skeleton, own[1]), 2); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(skeleton) + len(own[1])))
}
