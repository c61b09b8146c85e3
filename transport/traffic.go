package transport

import "sync/atomic"

// Traffic counts what one lane between this rank and a peer has carried of one kind, headers, bodies and blobs.
type Traffic struct {
	Peer                Rank
	Lane                Lane
	Kind                Kind
	FramesOut, FramesIn uint64
	BytesOut, BytesIn   uint64
}

// tally counts the frames of one link by kind. Frames count when they are complete.
type tally [LastKind + 1]struct{ framesOut, framesIn, bytesOut, bytesIn atomic.Uint64 }

func (t *tally) out(h header) {
	t[h.Kind].framesOut.Add(1)
	t[h.Kind].bytesOut.Add(h.wireSize())
}

func (t *tally) in(h header) {
	t[h.Kind].framesIn.Add(1)
	t[h.Kind].bytesIn.Add(h.wireSize())
}

func (h header) wireSize() uint64 { return HeaderSize + uint64(h.BodyLen) + h.BlobLen }

// Traffic returns the counters that are not zero, by peer, lane and kind. Heartbeats and farewells are among them.
func (w *World) Traffic() []Traffic {
	var all []Traffic
	for _, p := range w.peers {
		for _, l := range p.each() {
			for k := range l.tally {
				c := &l.tally[k]
				t := Traffic{
					Peer: p.info.Rank, Lane: l.lane, Kind: Kind(k),
					FramesOut: c.framesOut.Load(), FramesIn: c.framesIn.Load(),
					BytesOut: c.bytesOut.Load(), BytesIn: c.bytesIn.Load(),
				}
				if t.FramesOut+t.FramesIn > 0 {
					all = append(all, t)
				}
			}
		}
	}
	return all
}
