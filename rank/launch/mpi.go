package launch

// detectOpenMPI reads mpirun's variables. It names no hosts: OMPI_MCA_orte_hnp_uri is the address of mpirun, not of
// rank 0. The ranks meet through a Rendezvous file, or on this machine when all of them are here.
func detectOpenMPI(s *source, p *Place) (bool, error) {
	ok, err := s.rankAndSize(p, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE")
	if !ok || err != nil {
		return false, err
	}
	if err := s.local(p, "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"); err != nil {
		return false, err
	}
	if p.RunKey = s.key("PMIX_NAMESPACE"); p.RunKey == "" {
		p.RunKey = s.key("OMPI_MCA_ess_base_jobid", "OMPI_MCA_orte_hnp_uri")
	}
	return true, nil
}

// detectFlux reads the variables of a Flux job.
func detectFlux(s *source, p *Place) (bool, error) {
	ok, err := s.rankAndSize(p, "FLUX_TASK_RANK", "FLUX_JOB_SIZE")
	if !ok || err != nil {
		return false, err
	}
	if err := s.local(p, "FLUX_TASK_LOCAL_ID", ""); err != nil {
		return false, err
	}
	nodes, err := s.optional("FLUX_JOB_NNODES", 0)
	if err != nil {
		return false, err
	}
	if nodes == p.Size {
		p.LocalSize = 1
	} else if nodes == 1 {
		p.LocalSize = p.Size
	}
	p.RunKey = s.key("FLUX_JOB_ID")
	return true, nil
}

// detectPMI reads the variables of MPICH's hydra, of Intel MPI and of srun --mpi=pmi2. Where PMI_JOBID is not set, the
// name of the run is that of the key-value space, which takes a conversation over PMI_FD (see PMI).
func detectPMI(s *source, p *Place) (bool, error) {
	ok, err := s.rankAndSize(p, "PMI_RANK", "PMI_SIZE")
	if !ok || err != nil {
		return false, err
	}
	if err := s.local(p, "MPI_LOCALRANKID", "MPI_LOCALNRANKS"); err != nil {
		return false, err
	}
	p.RunKey = s.key("PMI_JOBID")
	// Under srun --mpi=pmi2 Slurm's own variables hold too. Under hydra inside a Slurm job they are those of hydra's
	// proxies, and are believed only where proxies and ranks are the same.
	under := Place{Launcher: "slurm"}
	step := &source{launcher: "slurm", env: s.env, flags: s.flags, readFile: s.readFile}
	if ok, err := detectSlurm(step, &under); err == nil && ok && under.Rank == p.Rank && under.Size == p.Size {
		under.Launcher = p.Launcher
		if p.RunKey == "" {
			p.RunKey = under.RunKey
		}
		under.RunKey = p.RunKey
		*p = under
		s.from = append(s.from, step.from...)
	}
	return true, nil
}

// detectLSF reads jsrun's variables. LSB_HOSTS is of no use here: its first entry is the node of the batch script, on
// which jsrun starts nothing.
func detectLSF(s *source, p *Place) (bool, error) {
	ok, err := s.rankAndSize(p, "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE")
	if !ok || err != nil {
		return false, err
	}
	if err := s.local(p, "JSM_NAMESPACE_LOCAL_RANK", "JSM_NAMESPACE_LOCAL_SIZE"); err != nil {
		return false, err
	}
	p.RunKey = s.key("LSB_JOBID", "PMIX_NAMESPACE")
	return true, nil
}

// local reads the place on the node, where the launcher tells it.
func (s *source) local(p *Place, rankVar, sizeVar string) (err error) {
	if p.LocalRank, err = s.optional(rankVar, 0); err != nil || sizeVar == "" {
		return err
	}
	p.LocalSize, err = s.optional(sizeVar, 0)
	return err
}
