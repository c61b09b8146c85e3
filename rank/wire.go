package rank

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/badbubble/distgo/plan"
	"github.com/badbubble/distgo/plan/transcript"
	"github.com/badbubble/distgo/rank/superstep"
	"github.com/badbubble/distgo/transport"
)

const (
	// maxPlan bounds a decoded plan. One of 1300 actions takes 1.5 MB, its import configurations most of it, which grow
	// faster than the number of packages.
	maxPlan = 128 << 20

	// maxRatio bounds what a plan's packed bytes may become, so that a few cannot claim the whole of maxPlan. Plans of real
	// programs are packed to an eighth.
	maxRatio = 1000
)

// actionSteps is the commands of one action, which only its owner and its helpers get.
type actionSteps struct {
	ID    plan.ActionID        `msgpack:"i"`
	Steps []transcript.Command `msgpack:"c"`
}

// encodePlan makes what every rank gets: first the plan without commands,
// which is the same for all, then the commands of the actions that the rank owns or helps.
func encodePlan(p *plan.Plan, size int) (skeleton []byte, own [][]byte, err error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, nil, err
	}
	defer z.Close()
	bare := *p
	bare.Actions = slices.Clone(p.Actions)
	steps := make([][]actionSteps, size)
	for i := range bare.Actions {
		a := &bare.Actions[i]
		for _, to := range append([]plan.Rank{p.Owner[i]}, p.HelpersOf(a.ID)...) {
			steps[to] = append(steps[to], actionSteps{a.ID, a.Steps})
		}
		a.Steps = nil
	}
	if skeleton, err = pack(z, &bare); err != nil {
		return nil, nil, err
	}
	own = make([][]byte, size)
	for r := range own {
		if r == root {
			continue // keeps the plan it made
		}
		if own[r], err = pack(z, steps[r]); err != nil {
			return nil, nil, err
		}
	}
	return skeleton, own, nil
}

func pack(z *zstd.Encoder, v any) ([]byte, error) {
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	e.UseCompactInts(true)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return z.EncodeAll(b.Bytes(), nil), nil
}

// sendPlan broadcasts the plan, and tells those that are away so. It returns
// the bytes queued.
func sendPlan(w *transport.World, p *plan.Plan, mode superstep.Mode, away func(plan.Rank) *away) (int64, error) {
	skeleton, own, err := encodePlan(p, w.Size())
	if err != nil {
		return 0, err
	}
	var total int64
	for r := 1; r < w.Size(); r++ {
		size := int64(len(skeleton) + len(own[r]))
		total += size
		err := w.Send(transport.Rank(r), transport.Express, transport.Message{
			Kind: kindPlan,
			Body: order{Mode: uint8(mode), Skeleton: int64(len(skeleton)), Away: away(plan.Rank(r))},
			Blob: &transport.Blob{Size: size, Open: func() (io.ReadCloser, error) {
				return io.NopCloser(io.MultiReader(bytes.NewReader(skeleton), bytes.NewReader(own[r]))), nil
			}},
		})
		if err != nil && !isLost(err) { // root will go on without it
			return 0, err
		}
	}
	return total, nil
}

// readPlanFrame keeps a plan frame's bytes beyond Receive.
func readPlanFrame(f transport.Frame) (transport.Frame, error) {
	if o, err := decode[order](f); err != nil || o.Idle && f.Blob == nil {
		return f, err
	}
	if f.Blob == nil || f.BlobSize > maxPlan {
		return f, fmt.Errorf("a plan of %d bytes: 1 to %d are possible", f.BlobSize, maxPlan)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, f.Blob); err != nil {
		return f, fmt.Errorf("receiving the plan: %w", err)
	}
	f.Blob = &b
	return f, nil
}

// decodePlan reads and checks the plan that root sent.
func decodePlan(f transport.Frame, size int) (*plan.Plan, superstep.Mode, error) {
	var o order
	if err := f.Decode(&o); err != nil {
		return nil, 0, err
	}
	blob, err := io.ReadAll(f.Blob) // in memory already
	if err != nil {
		return nil, 0, err
	}
	if o.Skeleton < 0 || o.Skeleton > int64(len(blob)) {
		return nil, 0, fmt.Errorf("a plan of %d bytes is said to begin with %d", len(blob), o.Skeleton)
	}
	p := new(plan.Plan)
	if err := unpack(blob[:o.Skeleton], p); err != nil {
		return nil, 0, err
	}
	var own []actionSteps
	if err := unpack(blob[o.Skeleton:], &own); err != nil {
		return nil, 0, err
	}
	for _, s := range own {
		if s.ID < 0 || int(s.ID) >= len(p.Actions) {
			return nil, 0, fmt.Errorf("commands for action %d of %d", s.ID, len(p.Actions))
		}
		p.Actions[s.ID].Steps = s.Steps
	}
	if err := p.Validate(size); err != nil {
		return nil, 0, err
	}
	mode := superstep.Mode(o.Mode)
	if mode != superstep.Split && mode != superstep.Blocking {
		return nil, 0, fmt.Errorf("the plan asks for barrier mode %d", o.Mode)
	}
	return p, mode, nil
}

func unpack(packed []byte, v any) error {
	limit := min(maxPlan, maxRatio*uint64(len(packed)))
	z, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(max(limit, 1)), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	text, err := z.DecodeAll(packed, nil)
	if err != nil {
		return fmt.Errorf("unpacking the plan: %w", err)
	}
	return transport.Frame{Kind: kindPlan, Body: text}.Decode(v)
}
