package launch

import (
	"strconv"
	"strings"
)

// detectSlurm reads the variables of a job step. Outside a step, in a batch script or an allocation's shell, Slurm has
// started one process, whatever SLURM_NTASKS says.
func detectSlurm(s *source, p *Place) (bool, error) {
	// Slurm numbers the pseudo-steps of batch scripts and interactive shells downward from the top of 32 bits
	// (SLURM_BATCH_SCRIPT is 0xfffffffb); a real step never gets there.
	const firstPseudoStep = 0xfffffff0
	step, ok := s.text("SLURM_STEP_ID")
	if !ok {
		return false, nil
	}
	if id, err := strconv.ParseUint(step, 10, 64); err != nil || id >= firstPseudoStep {
		return false, nil
	}
	ok, err := s.rankAndSize(p, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS")
	if !ok || err != nil {
		return false, err
	}
	p.RunKey = s.key("SLURM_JOB_ID", "SLURM_STEP_ID")
	if err := s.local(p, "SLURM_LOCALID", ""); err != nil {
		return false, err
	}
	if err := slurmTasks(s, p); err != nil {
		return false, err
	}
	if err := slurmCPUs(s, p); err != nil {
		return false, err
	}
	return true, slurmHosts(s, p)
}

// slurmTasks finds how many ranks share this node.
func slurmTasks(s *source, p *Place) error {
	name := "SLURM_STEP_TASKS_PER_NODE"
	list, ok := s.text(name)
	if !ok {
		return nil
	}
	counts, err := ParseCounts(list)
	if err != nil {
		return s.errorf("", "%s=%s: %v", name, abbreviate(list), err)
	}
	node, ok, err := s.number("SLURM_NODEID")
	if err != nil {
		return err
	}
	if ok && node >= 0 && node < len(counts) {
		p.LocalSize = counts[node]
	}
	return nil
}

// slurmCPUs finds what this rank may use: what was asked for a task, else its part of what the step has on this node.
func slurmCPUs(s *source, p *Place) (err error) {
	if p.CPUs, err = s.optional("SLURM_CPUS_PER_TASK", 0); err != nil || p.CPUs > 0 || p.LocalSize == 0 {
		return err
	}
	onNode, err := s.optional("SLURM_CPUS_ON_NODE", 0)
	p.CPUs = onNode / p.LocalSize
	if onNode > 0 && p.CPUs == 0 {
		p.CPUs = 1
	}
	return err
}

// slurmHosts fills in the hosts that hold for every --distribution: rank 0 is on the first node of the list, and this
// rank on the node that slurmd names. The others follow from the hello.
func slurmHosts(s *source, p *Place) error {
	name := "SLURM_STEP_NODELIST"
	list, ok := s.text(name)
	if !ok {
		return nil
	}
	nodes, err := ParseHostList(list)
	if err != nil {
		return s.errorf("", "%s=%s: %v", name, abbreviate(list), err)
	}
	if p.Size < 1 || p.Size > MaxSize || p.Rank < 0 || p.Rank >= p.Size {
		return nil // complete says what is wrong
	}
	p.Hosts = make([]string, p.Size)
	p.Hosts[0] = nodes[0]
	if own, ok := s.text("SLURMD_NODENAME"); ok && p.Rank > 0 {
		p.Hosts[p.Rank] = strings.TrimSpace(own)
	}
	return nil
}
