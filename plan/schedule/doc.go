// Package schedule decides which rank executes which action of a plan, before
// the build starts. It is the part of planning that chooses; it reads nothing
// but the plan and the description of the ranks, and is deterministic.
//
// Place is a greedy list scheduler (Graham, 1969) in the order of the bottom
// levels: whenever a slot is free, the ready action with the longest chain
// behind it takes the slot from which what it makes is there first. What the build
// turns out to need differently is corrected while it runs, by moving actions
// that are ready but not started (package rank/superstep).
//
// Help is Place and a search on top of it, for builds that end with ranks idling
// while one compile works through its back end: idle ranks get a share of it.
package schedule
