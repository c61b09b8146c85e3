package launch

import (
	"fmt"
	"strconv"
	"strings"
)

// detectPrun reads what prun, the launcher of the DAS clusters, sets. NHOSTS is the last resort for the size: with
// several processes on a node some read it as the number of nodes.
func detectPrun(s *source, p *Place) (bool, error) {
	rank, ok, err := s.number("PRUN_CPU_RANK")
	if !ok || err != nil {
		return false, err
	}
	s.setRank(p, rank, "PRUN_CPU_RANK")
	for _, list := range []string{"PRUN_HOSTNAMES", "HOSTS"} {
		v, ok := s.text(list)
		if !ok {
			continue
		}
		entries := hostsOf(v)
		if len(entries) > MaxSize {
			return false, s.errorf("", "%s lists %d entries, and %d is the most", list, len(entries), MaxSize)
		}
		for _, e := range entries {
			p.Hosts = append(p.Hosts, prunHost(e))
		}
		s.setSize(p, len(entries), fmt.Sprintf("%s lists %d entries", list, len(entries)))
		break
	}
	if p.Hosts == nil {
		size, ok, err := s.number("NHOSTS")
		if err != nil {
			return false, err
		}
		if !ok {
			return false, s.errorf("was the program started by prun?",
				"PRUN_CPU_RANK=%d but neither PRUN_HOSTNAMES nor HOSTS nor NHOSTS is set", rank)
		}
		s.setSize(p, size, fmt.Sprintf("NHOSTS=%d", size))
	}
	// The job may be a reservation in which several pruns run; the file of the environment is this prun's own.
	p.RunKey = s.key("SLURM_JOB_ID", "PRUN_ENV")
	if p.RunKey == "" {
		p.RunKey = strings.Join(p.Hosts, ",")
	}
	return true, nil
}

// prunHost takes the number of the process off an entry: "node117/1", or "node083:0" in the older form.
func prunHost(entry string) string {
	if i := strings.LastIndexAny(entry, "/:"); i > 0 {
		if _, err := strconv.Atoi(entry[i+1:]); err == nil {
			return entry[:i]
		}
	}
	return entry
}

// FormerArguments drops the "rank nhosts" that prun's old positional form puts before the program's arguments. They are
// dropped only when they are this place's own rank and size, so that no real argument is lost.
func FormerArguments(args []string, p Place) []string {
	if p.Launcher == "prun" && len(args) >= 2 && args[0] == strconv.Itoa(p.Rank) && args[1] == strconv.Itoa(p.Size) {
		return args[2:]
	}
	return args
}
