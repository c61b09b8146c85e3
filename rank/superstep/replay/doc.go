// Package replay executes plans in virtual time: the very state machines of package superstep, with durations that are
// known and a network of a given latency and bandwidth, in one goroutine and deterministic. It says what a build would
// take, by way of all that root and the ranks decide while one runs. Nobody is lost, nothing fails, and each rank's
// cores are its slots: an action that is alone is not faster for it.
package replay
