package launch

import (
	"golang.org/x/sys/unix"
)

// Slots returns how many cores' worth of compiling this rank may do: the launcher's grant where it says one, else its
// part of the node's cores, of which the lowest local ranks get what does not divide. available is [Available]'s, or
// what a flag says in its place. The result is at least 1.
//
// A launcher that binds each rank to cores of its own without saying so (mpirun --bind-to core) leaves fewer than
// available suggests; its users must unbind (mpirun --bind-to none).
func Slots(p Place, available int) int {
	if p.CPUs > 0 {
		return max(1, min(p.CPUs, available))
	}
	if p.LocalSize <= 1 {
		return max(1, available)
	}
	slots := available / p.LocalSize
	if p.LocalRank < available%p.LocalSize {
		slots++
	}
	return max(1, slots)
}

// Available returns how many cores this process may keep busy: those of its affinity mask, less where a cgroup's quota
// allows fewer. readFile is os.ReadFile or a stand-in.
func Available(readFile func(string) ([]byte, error)) int {
	cpus := affinity()
	if quota := CgroupCPUs(readFile); quota > 0 {
		cpus = min(cpus, quota)
	}
	return max(1, cpus)
}

func affinity() int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 1
	}
	return set.Count()
}
