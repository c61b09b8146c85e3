// Package report says what a run did: the progress line while it runs, the
// summary when it is over, the JSON report for later, the bound it could have
// reached. It measures nothing itself; package rank tells it what happened.
//
// A Report is a value. Its schema is versioned: a field may be added under the
// same Schema, a changed meaning raises it. Times are microseconds since the
// plan reached the rank that they are about; ranks share no clock.
package report
