package sample

// Quantities of one sample, in undilated seconds, for Group.Of. They say false where the sample has no such thing.

// Time is the total time of the build.
func Time(s *Sample) (float64, bool) { return s.Seconds(), true }

// TimePerCPU is the total time of the build over the CPU time of all its processes, both dilated: how well the build used the
// cores, however fast these were.
func TimePerCPU(s *Sample) (float64, bool) {
	if s.CPU <= 0 {
		return 0, false
	}
	return s.Seconds() / (float64(s.CPU) / 1e6), true
}

// Exchange is the time in which the rank that received longest was receiving artifacts. In the split-phase mode slots
// work meanwhile; in the blocking mode the barrier waits for it.
func Exchange(s *Sample) (float64, bool) {
	if s.Report == nil {
		return 0, false
	}
	var longest int64
	for i := range s.Report.Ranks {
		longest = max(longest, s.Report.Ranks[i].Exchange)
	}
	return s.scaled(longest), true
}

// Distribute is the time to encode and queue the plan for all ranks: the prototype's distribution of commands.
func Distribute(s *Sample) (float64, bool) {
	if s.Report == nil {
		return 0, false
	}
	return s.scaled(s.Report.Send), true
}

// Planning is the time from the start to the plan sent: meeting, the go command's transcript, and the schedule.
func Planning(s *Sample) (float64, bool) {
	if s.Report == nil {
		return 0, false
	}
	return s.scaled(s.Report.Plan), true
}

// Bound is what no schedule of the sample's actions on its slots can beat.
func Bound(s *Sample) (float64, bool) {
	if s.Report == nil || s.Report.Bound.Lower == 0 {
		return 0, false
	}
	return s.scaled(s.Report.Bound.Lower), true
}

// Bytes is what all ranks sent.
func Bytes(s *Sample) (float64, bool) {
	if s.Report == nil {
		return 0, false
	}
	var sum int64
	for i := range s.Report.Ranks {
		for _, b := range s.Report.Ranks[i].Sent {
			sum += b.Bytes
		}
	}
	return float64(sum), true
}
