package launch

import (
	"fmt"
	"strings"
)

// Launcher is one way to be started.
type Launcher struct {
	Name  string // as in --launcher and Place.Launcher
	Signs string // the variables by which it is known, for messages

	// detect fills the place and says whether this launcher started the process. An error means that it did, but says
	// something impossible.
	detect func(*source, *Place) (bool, error)
}

// Launchers returns the known launchers in the order in which Detect asks them. prun and Open MPI stand before Slurm
// because they are used inside Slurm jobs, whose variables then are those of the batch step, the same in every process.
// Flux stands before PMI, whose variables it sets too.
func Launchers() []Launcher {
	return []Launcher{
		{"flags", "--rank, --size, --root", detectFlags},
		{"distgo", "DISTGO_RANK, DISTGO_SIZE", detectDistgo},
		{"prun", "PRUN_CPU_RANK", detectPrun},
		{"openmpi", "OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE", detectOpenMPI},
		{"flux", "FLUX_TASK_RANK, FLUX_JOB_SIZE", detectFlux},
		{"pmi", "PMI_RANK, PMI_SIZE", detectPMI},
		{"slurm", "SLURM_STEP_ID, SLURM_PROCID", detectSlurm},
		{"pbs", "PBS_VNODENUM, PBS_NODEFILE", detectPBS},
		{"lsf", "JSM_NAMESPACE_RANK, JSM_NAMESPACE_SIZE", detectLSF},
		{"kubernetes", "JOB_COMPLETION_INDEX and --size", detectKubernetes},
		{"torch", "RANK, WORLD_SIZE", detectTorch},
		{"single", "nothing", detectSingle},
	}
}

// Detect says who this process is. env is os.LookupEnv or a stand-in; an empty value counts as unset. readFile is
// os.ReadFile or a stand-in and is asked only for files that the launcher names.
//
// DISTGO_ROOT and DISTGO_RUN complete whichever launcher is found; flags.Root goes before both.
func Detect(env func(string) (string, bool), flags Flags, readFile func(string) ([]byte, error)) (Place, error) {
	launchers := Launchers()
	if flags.Launcher != "" {
		one, err := named(launchers, flags.Launcher)
		if err != nil {
			return Place{}, err
		}
		launchers = []Launcher{one}
	}
	for _, l := range launchers {
		s := &source{launcher: l.Name, env: env, flags: flags, readFile: readFile}
		p := Place{Launcher: l.Name}
		found, err := l.detect(s, &p)
		if err != nil {
			return Place{}, err
		}
		if !found {
			continue
		}
		if err := s.complete(&p); err != nil {
			return Place{}, err
		}
		return p, nil
	}
	// Only a forced launcher gets here: "single" always finds itself.
	return Place{}, &Error{flags.Launcher, "--launcher=" + flags.Launcher + " but it did not start this process",
		"it is known by " + launchers[0].Signs}
}

func named(launchers []Launcher, name string) (Launcher, error) {
	var names []string
	for _, l := range launchers {
		if l.Name == name {
			return l, nil
		}
		names = append(names, l.Name)
	}
	return Launcher{}, &Error{name, "--launcher=" + name + " is unknown", "one of " + strings.Join(names, ", ")}
}

// complete adds what holds for every launcher, and checks Invariant 2.
func (s *source) complete(p *Place) error {
	if run, ok := s.text("DISTGO_RUN"); ok {
		p.RunKey = run
	}
	if root, ok := s.text("DISTGO_ROOT"); ok {
		p.Root = root
	}
	if s.flags.Root != "" {
		p.Root = s.flags.Root
		s.note("--root", s.flags.Root)
	}
	if p.Iface = s.flags.Iface; p.Iface == "" {
		p.Iface, _ = s.text("DISTGO_IFACE")
	}
	if _, err := parseIface(p.Iface); err != nil {
		return s.errorf("give an interface's name, or a range such as 10.149.0.0/16", "--iface=%s: %v", p.Iface, err)
	}
	p.From = s.from
	switch {
	case p.Size < 1 || p.Size > MaxSize:
		return s.errorf(fmt.Sprintf("a world has 1 to %d ranks", MaxSize), "%s", s.saidSize)
	case p.Rank < 0:
		return s.errorf("ranks count from 0", "%s", s.saidRank)
	case p.Rank >= p.Size:
		return s.errorf(fmt.Sprintf("ranks count from 0, so the highest is %d", p.Size-1), "%s but %s", s.saidRank, s.saidSize)
	case len(p.Hosts) != 0 && len(p.Hosts) != p.Size:
		return s.errorf("one host for each rank is needed", "%s but %d hosts are listed", s.saidSize, len(p.Hosts))
	case s.flags.Size >= 0 && s.flags.Size != p.Size:
		return s.errorf("leave out --size, or give --rank, --size and --root", "--size=%d but %s", s.flags.Size, s.saidSize)
	}
	if p.LocalSize == 0 && len(p.Hosts) > 0 && allKnown(p.Hosts) {
		p.countLocal()
	}
	if p.Size == 1 {
		p.LocalRank, p.LocalSize = 0, 1
	}
	if p.LocalRank < 0 || p.LocalSize < 0 || p.LocalSize > p.Size || (p.LocalSize > 0 && p.LocalRank >= p.LocalSize) {
		return s.errorf("the launcher's variables contradict each other",
			"local rank %d of %d on this node, in a world of %d (%s)", p.LocalRank, p.LocalSize, p.Size, strings.Join(p.From, " "))
	}
	if p.Root != "" {
		if _, _, err := splitRoot(p.Root); err != nil {
			return s.errorf("give it as host:port", "root's address %q: %v", p.Root, err)
		}
	}
	return nil
}

func allKnown(hosts []string) bool {
	for _, h := range hosts {
		if h == "" {
			return false
		}
	}
	return true
}
