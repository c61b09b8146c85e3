package transport

import (
	"fmt"
	"sync"
	"time"
)

// PeerInfo is what root's table says about a rank.
type PeerInfo struct {
	Rank Rank
	Host string // its name for its node, for messages
	Addr string // where it listened while the world met, as seen from here
	Info []byte // its Config.Info
}

func (p PeerInfo) String() string { return nameRank(p.Rank, p.Host) }

// A peer is another rank in a standing world.
type peer struct {
	world *World
	info  PeerInfo
	links [lanes]*link // by lane - 1
	loops sync.WaitGroup

	once  sync.Once
	gone  chan struct{} // closed by finish
	cause error         // a *LostError, or nil if the end was no loss; read after gone
}

func newPeer(w *World, info PeerInfo, streams [lanes]*stream) *peer {
	p := &peer{world: w, info: info, gone: make(chan struct{})}
	for i, s := range streams {
		p.links[i] = newLink(p, s)
	}
	return p
}

// each ranges over the links; a nil peer, which is this rank itself, has none.
func (p *peer) each() []*link {
	if p == nil {
		return nil
	}
	return p.links[:]
}

// finish ends all traffic with the peer. The first call counts. A loss of 0 is none.
func (p *peer) finish(how Loss, err error) {
	p.once.Do(func() {
		refuse := ErrClosed
		if how != 0 {
			p.cause = &LostError{Peer: p.info.Rank, Host: p.info.Host, How: how, Err: err}
			refuse = p.cause
		}
		close(p.gone)
		for _, l := range p.links {
			l.queue.close(refuse)
			l.conn.Close()
		}
	})
}

// supervise waits for the peer's loops and then reports the loss, if it was one: Lost comes after the last Receive.
func (p *peer) supervise(h Handler) {
	p.loops.Wait()
	p.finish(0, nil) // closes the sockets after an orderly end
	if p.cause != nil && !p.world.closing() {
		h.Lost(p.info.Rank, p.cause)
	}
}

// silence is for how long nothing has come although somebody was listening, at time now since the world's epoch. Time
// before awake does not count. While a lane's reader is in the handler the peer cannot be judged: its heartbeats wait.
func (p *peer) silence(now, awake time.Duration) time.Duration {
	since, reading := awake, false
	for _, l := range p.links {
		w := time.Duration(l.waitingSince.Load())
		switch {
		case l.readEnds.Load():
		case w == 0:
			return 0
		default:
			since, reading = max(since, w), true
		}
	}
	if !reading {
		return 0
	}
	return now - since
}

// stuck finds a lane whose reader has waited for longer than limit.
func (p *peer) stuck(now, awake, limit time.Duration) (lane Lane, since time.Duration) {
	for _, l := range p.links {
		w := time.Duration(l.waitingSince.Load())
		if since := now - max(w, awake); w > 0 && !l.readEnds.Load() && since > limit {
			return l.lane, since
		}
	}
	return 0, 0
}

// beatLoop has heartbeats written until quit is closed: all at once, so that this process and those that hear it wake up
// once and not for each lane. What is written beside does not matter to them.
func (w *World) beatLoop(quit <-chan struct{}) {
	ticker := time.NewTicker(w.silenceLimit / beatsPerLimit)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-quit:
			return
		case <-ticker.C:
		}
		for _, p := range w.peers {
			for _, l := range p.each() {
				if l.lane == Bulk && n%bulkBeat != 0 {
					continue
				}
				select {
				case l.beat <- struct{}{}:
				default: // it is still writing
				}
			}
		}
	}
}

// watch looks for silent peers until quit is closed.
func (w *World) watch(quit <-chan struct{}) {
	look := w.silenceLimit / looksPerLimit
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	awake := time.Since(w.epoch)
	last := awake
	for {
		select {
		case <-quit:
			return
		case <-ticker.C:
		}
		now := time.Since(w.epoch)
		if now-last > 2*look {
			awake = now // this process did not run: what the others sent meanwhile is still to be read
		}
		last = now
		for _, p := range w.peers {
			if p == nil {
				continue
			}
			if s := p.silence(now, awake); s > w.silenceLimit {
				p.finish(LossSilent, fmt.Errorf("was silent for %s: its process is stopped or its network is cut", s.Round(time.Second/10)))
			} else if lane, s := p.stuck(now, awake, stuckFactor*w.silenceLimit); lane != 0 {
				p.finish(LossSilent, fmt.Errorf("sent nothing on the %s lane for %s, but on the other: the connection is stuck", lane, s.Round(time.Second/10)))
			}
		}
	}
}
