package launch

import "fmt"

// detectFlags reads --rank and --size. --size alone is not a place: it completes Kubernetes, which does not tell it.
func detectFlags(s *source, p *Place) (bool, error) {
	f := s.flags
	if f.Rank < 0 {
		return false, nil
	}
	s.setRank(p, f.Rank, "--rank")
	s.note("--rank", fmt.Sprint(f.Rank))
	if f.Size < 0 {
		return false, s.errorf("give both", "--rank=%d without --size", f.Rank)
	}
	s.setSize(p, f.Size, fmt.Sprintf("--size=%d", f.Size))
	s.note("--size", fmt.Sprint(f.Size))
	p.Root = f.Root
	if p.Root == "" {
		p.Root, _ = s.text("DISTGO_ROOT")
	}
	if p.Root == "" && f.Size > 1 {
		return false, s.errorf("give the host:port on which rank 0 is to listen", "--rank=%d and --size=%d without --root", f.Rank, f.Size)
	}
	p.RunKey = p.Root // who was given the same root is of the same run
	return true, nil
}

// detectDistgo reads the variables that distgo sets for the ranks it starts itself, here or through ssh.
func detectDistgo(s *source, p *Place) (bool, error) {
	rank, ok, err := s.number("DISTGO_RANK")
	if !ok || err != nil {
		return false, err
	}
	s.setRank(p, rank, "DISTGO_RANK")
	size, ok, err := s.number("DISTGO_SIZE")
	if err != nil {
		return false, err
	}
	if !ok {
		return false, s.errorf("set both", "DISTGO_RANK=%d but DISTGO_SIZE is not set", rank)
	}
	s.setSize(p, size, fmt.Sprintf("DISTGO_SIZE=%d", size))
	if p.LocalRank, err = s.optional("DISTGO_LOCAL_RANK", 0); err != nil {
		return false, err
	}
	if p.LocalSize, err = s.optional("DISTGO_LOCAL_SIZE", 0); err != nil {
		return false, err
	}
	if hosts, ok := s.text("DISTGO_HOSTS"); ok {
		p.Hosts = hostsOf(hosts)
	}
	p.Root, _ = s.text("DISTGO_ROOT")
	p.RunKey, _ = s.text("DISTGO_RUN")
	if p.RunKey == "" {
		p.RunKey = p.Root
	}
	if size > 1 && p.Root == "" && p.RunKey == "" && s.flags.Root == "" {
		return false, s.errorf("set DISTGO_ROOT=host:port, or DISTGO_RUN to a word that only this run has",
			"DISTGO_RANK=%d and DISTGO_SIZE=%d without DISTGO_ROOT or DISTGO_RUN", rank, size)
	}
	return true, nil
}

// detectSingle is the last resort: a world of one.
func detectSingle(s *source, p *Place) (bool, error) {
	p.LocalSize = 1
	s.setRank(p, 0, "rank")
	s.setSize(p, 1, "no launcher was found, so the size is 1")
	return true, nil
}
