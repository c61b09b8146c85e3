package report

// A Piece is a time in which an action had a slot.
type Piece struct {
	Slot       int
	Start, End int64
}

// Pieces are the times in which a had a slot, one after the other: its head start, and
// what it was not held from its start to its end.
func (a *Action) Pieces() (all []Piece) {
	if to := min(a.Paused, a.Start); to > a.Begun {
		all = append(all, Piece{a.BegunIn, a.Begun, to})
	}
	return append(all, pieces(a.Slot, a.Start, a.End, a.Held)...)
}

// Pieces are the times in which s had a slot, one after the other.
func (s *Second) Pieces() []Piece { return pieces(s.Slot, s.Start, s.End, s.Held) }

// Pieces are the times in which s had a slot, one after the other.
func (s *Share) Pieces() []Piece { return pieces(s.Slot, s.Start, s.End, s.Held) }

func pieces(slot int, start, end int64, held []Hold) (all []Piece) {
	p := Piece{slot, start, end}
	for _, h := range held {
		if h.From > p.Start {
			all = append(all, Piece{p.Slot, p.Start, h.From})
		}
		p.Slot, p.Start = h.Slot, h.To
	}
	if p.End > p.Start || len(all) == 0 {
		all = append(all, p)
	}
	return all
}

// Took is how long a had a slot.
func (a *Action) Took() int64 { return a.Until(a.End) }

// Took is how long s had a slot.
func (s *Share) Took() int64 { return s.Until(s.End) }

// Took is how long s had a slot.
func (s *Second) Took() int64 { return s.Until(s.End) }

// Until is how long a had a slot before a time.
func (a *Action) Until(at int64) int64 { return until(a.Pieces(), at) }

// Until is how long s had a slot before a time.
func (s *Share) Until(at int64) int64 { return until(s.Pieces(), at) }

// Until is how long s had a slot before a time.
func (s *Second) Until(at int64) int64 { return until(s.Pieces(), at) }

func until(all []Piece, at int64) (took int64) {
	for _, p := range all {
		took += max(0, min(p.End, at)-p.Start)
	}
	return took
}

// Front is how much of that was before the export data was there.
func (a *Action) Front() int64 { return a.Until(a.Exported) }

// inOne is a as if it had been executed in one piece.
func (a *Action) inOne() Action {
	b := *a
	b.Begun, b.Paused, b.Held = 0, 0, nil
	b.End = b.Start + a.Took()
	if a.Exported > a.Start {
		b.Exported = b.Start + a.Front()
	}
	return b
}
