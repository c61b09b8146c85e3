package launch

import (
	"fmt"
	"net"
	"strings"
)

// detectPBS reads what pbsdsh sets: the rank is a line of the file of nodes.
func detectPBS(s *source, p *Place) (bool, error) {
	rank, ok, err := s.number("PBS_VNODENUM")
	if !ok || err != nil {
		return false, err
	}
	path, ok := s.text("PBS_NODEFILE")
	if !ok {
		return false, nil
	}
	content, err := s.readFile(path)
	if err != nil {
		return false, s.errorf("give --rank, --size and --root where the node file is not shared",
			"PBS_VNODENUM=%d but PBS_NODEFILE: %v", rank, err)
	}
	s.setRank(p, rank, "PBS_VNODENUM")
	p.Hosts = strings.Fields(string(content))
	s.setSize(p, len(p.Hosts), fmt.Sprintf("PBS_NODEFILE=%s lists %d nodes", path, len(p.Hosts)))
	p.RunKey = s.key("PBS_JOBID")
	return true, nil
}

// detectKubernetes reads the index of a pod of an indexed Job. The pods are not told how many they are: --size says it,
// or DISTGO_SIZE. The name of rank 0's pod follows from the own one, which the kubelet writes to /etc/hosts in full
// when the Job has a headless service as its subdomain.
func detectKubernetes(s *source, p *Place) (bool, error) {
	index, ok, err := s.number("JOB_COMPLETION_INDEX")
	if !ok || err != nil {
		return false, err
	}
	size, said := s.flags.Size, fmt.Sprintf("--size=%d", s.flags.Size)
	if size < 0 {
		n, ok, err := s.number("DISTGO_SIZE")
		if err != nil {
			return false, err
		}
		if !ok {
			if _, torch := s.env("WORLD_SIZE"); torch {
				return false, nil
			}
			return false, s.errorf("give --size, or --launcher=single to compile in this pod alone",
				"JOB_COMPLETION_INDEX=%d but pods are not told the number of completions", index)
		}
		size, said = n, fmt.Sprintf("DISTGO_SIZE=%d", n)
	}
	s.setRank(p, index, "JOB_COMPLETION_INDEX")
	s.setSize(p, size, said)
	pod, _ := s.text("HOSTNAME")
	job, ok := strings.CutSuffix(pod, fmt.Sprintf("-%d", index))
	if !ok {
		return true, nil
	}
	p.RunKey = job
	p.LocalSize = 1 // a pod counts as a node
	if domain := podDomain(s, pod); domain != "" && size > 0 && size <= MaxSize {
		p.Hosts = make([]string, size)
		for i := range p.Hosts {
			p.Hosts[i] = fmt.Sprintf("%s-%d.%s", job, i, domain)
		}
	}
	return true, nil
}

// podDomain finds "subdomain.namespace.svc.cluster.local" in the line "10.1.2.3 job-1.subdomain.namespace... job-1".
func podDomain(s *source, pod string) string {
	content, err := s.readFile("/etc/hosts")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.Fields(line) {
			if domain, ok := strings.CutPrefix(word, pod+"."); ok {
				return domain
			}
		}
	}
	return ""
}

// detectTorch reads the variables that torchrun and the PyTorch operators set.
func detectTorch(s *source, p *Place) (bool, error) {
	ok, err := s.rankAndSize(p, "RANK", "WORLD_SIZE")
	if !ok || err != nil {
		return false, err
	}
	if err := s.local(p, "LOCAL_RANK", "LOCAL_WORLD_SIZE"); err != nil {
		return false, err
	}
	addr, hasAddr := s.text("MASTER_ADDR")
	port, hasPort := s.text("MASTER_PORT")
	p.RunKey = s.key("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")
	if !hasAddr {
		if p.Size > 1 && s.flags.Root == "" {
			return false, nil // RANK and WORLD_SIZE are common words: without a master they are someone else's
		}
		return true, nil
	}
	// torchrun's agent itself listens on MASTER_PORT; then only the host is root's.
	if agent, _ := s.text("TORCHELASTIC_USE_AGENT_STORE"); hasPort && agent != "True" {
		p.Root = net.JoinHostPort(addr, port)
	}
	if p.Size > 0 && p.Size <= MaxSize {
		p.Hosts = make([]string, p.Size)
		p.Hosts[0] = addr
	}
	return true, nil
}
