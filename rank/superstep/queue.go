package superstep

import (
	"container/heap"
	"slices"

	"github.com/badbubble/distgo/plan"
)

// queue is a heap of actions, highest priority first, then lowest ID.
type queue struct {
	priority []int64
	ids      []plan.ActionID
}

func (q *queue) Len() int { return len(q.ids) }
func (q *queue) Less(i, j int) bool {
	a, b := q.ids[i], q.ids[j]
	if q.priority[a] != q.priority[b] {
		return q.priority[a] > q.priority[b]
	}
	return a < b
}
func (q *queue) Swap(i, j int) { q.ids[i], q.ids[j] = q.ids[j], q.ids[i] }
func (q *queue) Push(x any)    { q.ids = append(q.ids, x.(plan.ActionID)) }
func (q *queue) Pop() any {
	last := q.ids[len(q.ids)-1]
	q.ids = q.ids[:len(q.ids)-1]
	return last
}

func (q *queue) has(a plan.ActionID) bool { return slices.Contains(q.ids, a) }

func (q *queue) remove(a plan.ActionID) {
	if i := slices.Index(q.ids, a); i >= 0 {
		heap.Remove(q, i)
	}
}

// urgency is that of the most urgent; there has to be one.
func (q *queue) urgency() int64 { return q.priority[q.ids[0]] }

// mostUrgent is the first queue with the most urgent, nil where all are empty.
func mostUrgent(queues ...*queue) (most *queue) {
	for _, q := range queues {
		if len(q.ids) > 0 && (most == nil || q.urgency() > most.urgency()) {
			most = q
		}
	}
	return most
}
