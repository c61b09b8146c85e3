package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// environ makes an environment function of "A=b" words.
func environ(vars ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, v := range vars {
			if n, value, _ := strings.Cut(v, "="); n == name {
				return value, true
			}
		}
		return "", false
	}
}

func noFile(name string) ([]byte, error) { return nil, fs.ErrNotExist }

func files(content map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		c, ok := content[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(c), nil
	}
}

var none = Flags{Rank: -1, Size: -1}

func TestDetect(t *testing.T) {
	prun := []string{"PRUN_CPU_RANK=1", "PRUN_HOSTNAMES=node117/0 node117/1 node118/0", "NHOSTS=2", "SLURM_JOB_ID=77",
		"PRUN_ENV=.PRUN_ENVIRONMENT.5.fs0", "SLURM_PROCID=0", "SLURM_STEP_ID=0", "SLURM_NTASKS=3"}
	for _, test := range []struct {
		name  string
		env   []string
		flags Flags
		files map[string]string
		want  Place // without From
	}{
		{"nothing", nil, none, nil, Place{Launcher: "single", Size: 1, LocalSize: 1}},
		{"flags before all", prun, Flags{Rank: 2, Size: 4, Root: "n1:7000"}, nil,
			Place{Launcher: "flags", Rank: 2, Size: 4, Root: "n1:7000", RunKey: "n1:7000"}},
		{"flags, root from the environment", []string{"DISTGO_ROOT=n1:7000"}, Flags{Rank: 2, Size: 4}, nil,
			Place{Launcher: "flags", Rank: 2, Size: 4, Root: "n1:7000", RunKey: "n1:7000"}},
		{"distgo", append([]string{"DISTGO_RANK=1", "DISTGO_SIZE=2", "DISTGO_ROOT=127.0.0.1:9", "DISTGO_RUN=r",
			"DISTGO_LOCAL_RANK=1", "DISTGO_LOCAL_SIZE=2"}, prun...), none, nil,
			Place{Launcher: "distgo", Rank: 1, Size: 2, LocalRank: 1, LocalSize: 2, Root: "127.0.0.1:9", RunKey: "r"}},
		{"distgo with hosts", []string{"DISTGO_RANK=2", "DISTGO_SIZE=3", "DISTGO_RUN=r", "DISTGO_HOSTS=a,b a"}, none, nil,
			Place{Launcher: "distgo", Rank: 2, Size: 3, LocalRank: 1, LocalSize: 2, RunKey: "r", Hosts: []string{"a", "b", "a"}}},
		{"prun inside slurm", prun, none, nil,
			Place{Launcher: "prun", Rank: 1, Size: 3, LocalRank: 1, LocalSize: 2, RunKey: "77..PRUN_ENVIRONMENT.5.fs0",
				Hosts: []string{"node117", "node117", "node118"}}},
		{"prun, older form and its own root", []string{"PRUN_CPU_RANK=1", "PRUN_HOSTNAMES=node083:0 node084:0", "SLURM_JOB_ID=7",
			"DISTGO_ROOT=127.0.0.1:5"}, none, nil,
			Place{Launcher: "prun", Rank: 1, Size: 2, LocalSize: 1, RunKey: "7", Hosts: []string{"node083", "node084"}, Root: "127.0.0.1:5"}},
		{"prun, HOSTS only", []string{"PRUN_CPU_RANK=0", "HOSTS=node1 node1"}, none, nil,
			Place{Launcher: "prun", Size: 2, LocalSize: 2, RunKey: "node1,node1", Hosts: []string{"node1", "node1"}}},
		{"prun, NHOSTS only", []string{"PRUN_CPU_RANK=1", "NHOSTS=4", "SLURM_JOB_ID=7"}, none, nil,
			Place{Launcher: "prun", Rank: 1, Size: 4, RunKey: "7"}},
		{"openmpi inside a batch script", []string{"OMPI_COMM_WORLD_RANK=3", "OMPI_COMM_WORLD_SIZE=4", "OMPI_COMM_WORLD_LOCAL_RANK=1",
			"OMPI_COMM_WORLD_LOCAL_SIZE=2", "PMIX_NAMESPACE=123", "SLURM_PROCID=0", "SLURM_JOB_ID=1"}, none, nil,
			Place{Launcher: "openmpi", Rank: 3, Size: 4, LocalRank: 1, LocalSize: 2, RunKey: "123"}},
		{"flux before pmi", []string{"FLUX_TASK_RANK=1", "FLUX_JOB_SIZE=2", "FLUX_TASK_LOCAL_ID=0", "FLUX_JOB_ID=f1", "FLUX_JOB_NNODES=2",
			"PMI_RANK=1", "PMI_SIZE=2"}, none, nil, Place{Launcher: "flux", Rank: 1, Size: 2, LocalSize: 1, RunKey: "f1"}},
		{"hydra", []string{"PMI_RANK=1", "PMI_SIZE=2", "MPI_LOCALRANKID=1", "MPI_LOCALNRANKS=2", "PMI_FD=6"}, none, nil,
			Place{Launcher: "pmi", Rank: 1, Size: 2, LocalRank: 1, LocalSize: 2}},
		{"srun --mpi=pmi2", []string{"PMI_RANK=1", "PMI_SIZE=2", "PMI_JOBID=5.0", "SLURM_STEP_ID=0", "SLURM_PROCID=1", "SLURM_NTASKS=2",
			"SLURM_JOB_ID=5", "SLURM_LOCALID=0", "SLURM_STEP_NODELIST=n[1-2]", "SLURMD_NODENAME=n2", "SLURM_CPUS_PER_TASK=4"}, none, nil,
			Place{Launcher: "pmi", Rank: 1, Size: 2, LocalRank: 0, LocalSize: 1, RunKey: "5.0", Hosts: []string{"n1", "n2"}, CPUs: 4}},
		{"hydra's proxies are not its ranks", []string{"PMI_RANK=3", "PMI_SIZE=4", "SLURM_STEP_ID=0", "SLURM_PROCID=1", "SLURM_NTASKS=2",
			"SLURM_STEP_NODELIST=n[1-2]"}, none, nil, Place{Launcher: "pmi", Rank: 3, Size: 4}},
		{"slurm step", []string{"SLURM_STEP_ID=3", "SLURM_PROCID=5", "SLURM_STEP_NUM_TASKS=7", "SLURM_NTASKS=99", "SLURM_LOCALID=1",
			"SLURM_NODEID=2", "SLURM_JOB_ID=42", "SLURM_STEP_NODELIST=node[001,007-008],x", "SLURM_STEP_TASKS_PER_NODE=2(x3),1",
			"SLURMD_NODENAME=node008", "SLURM_CPUS_ON_NODE=9"}, none, nil,
			Place{Launcher: "slurm", Rank: 5, Size: 7, LocalRank: 1, LocalSize: 2, RunKey: "42.3", CPUs: 4,
				Hosts: []string{"node001", "", "", "", "", "node008", ""}}},
		{"slurm batch script", []string{"SLURM_JOB_ID=42", "SLURM_PROCID=0", "SLURM_NTASKS=8"}, none, nil,
			Place{Launcher: "single", Size: 1, LocalSize: 1}},
		{"slurm interactive step", []string{"SLURM_STEP_ID=4294967290", "SLURM_PROCID=0", "SLURM_NTASKS=8"}, none, nil,
			Place{Launcher: "single", Size: 1, LocalSize: 1}},
		{"pbs", []string{"PBS_VNODENUM=1", "PBS_NODEFILE=/nodes", "PBS_JOBID=9.srv"}, none, map[string]string{"/nodes": "a\nb\nb\n"},
			Place{Launcher: "pbs", Rank: 1, Size: 3, LocalSize: 2, RunKey: "9.srv", Hosts: []string{"a", "b", "b"}}},
		{"lsf", []string{"JSM_NAMESPACE_RANK=1", "JSM_NAMESPACE_SIZE=2", "JSM_NAMESPACE_LOCAL_RANK=1", "JSM_NAMESPACE_LOCAL_SIZE=2",
			"LSB_JOBID=8", "LSB_HOSTS=batch1 c1 c1"}, none, nil,
			Place{Launcher: "lsf", Rank: 1, Size: 2, LocalRank: 1, LocalSize: 2, RunKey: "8"}},
		{"kubernetes", []string{"JOB_COMPLETION_INDEX=1", "HOSTNAME=build-1"}, Flags{Rank: -1, Size: 2},
			map[string]string{"/etc/hosts": "127.0.0.1 localhost\n# build-1.no\n10.0.0.3\tbuild-1.sub.ns.svc.cluster.local\tbuild-1\n"},
			Place{Launcher: "kubernetes", Rank: 1, Size: 2, LocalSize: 1, RunKey: "build",
				Hosts: []string{"build-0.sub.ns.svc.cluster.local", "build-1.sub.ns.svc.cluster.local"}}},
		{"kubernetes without a subdomain", []string{"JOB_COMPLETION_INDEX=1", "HOSTNAME=build-1", "DISTGO_SIZE=2"}, none, nil,
			Place{Launcher: "kubernetes", Rank: 1, Size: 2, LocalSize: 1, RunKey: "build"}},
		{"torch in a pod", []string{"JOB_COMPLETION_INDEX=1", "RANK=1", "WORLD_SIZE=2", "MASTER_ADDR=m", "MASTER_PORT=29500"}, none, nil,
			Place{Launcher: "torch", Rank: 1, Size: 2, RunKey: "m.29500", Root: "m:29500", Hosts: []string{"m", ""}}},
		{"torchrun's agent has the port", []string{"RANK=1", "WORLD_SIZE=2", "LOCAL_RANK=1", "LOCAL_WORLD_SIZE=2", "MASTER_ADDR=m",
			"MASTER_PORT=29500", "TORCHELASTIC_USE_AGENT_STORE=True", "TORCHELASTIC_RUN_ID=e"}, none, nil,
			Place{Launcher: "torch", Rank: 1, Size: 2, LocalRank: 1, LocalSize: 2, RunKey: "e.m.29500", Hosts: []string{"m", ""}}},
		{"someone else's RANK", []string{"RANK=1", "WORLD_SIZE=2"}, none, nil, Place{Launcher: "single", Size: 1, LocalSize: 1}},
		{"an empty variable is unset", []string{"PRUN_CPU_RANK="}, none, nil, Place{Launcher: "single", Size: 1, LocalSize: 1}},
		{"forced past prun", append([]string{"SLURM_STEP_NUM_TASKS=1"}, prun...), Flags{Rank: -1, Size: -1, Launcher: "slurm"}, nil,
			Place{Launcher: "slurm", Size: 1, LocalSize: 1, RunKey: "77.0"}},
		{"forced single", prun, Flags{Rank: -1, Size: -1, Launcher: "single"}, nil, Place{Launcher: "single", Size: 1, LocalSize: 1}},
		{"size 1 everywhere is this node", []string{"OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE=1"}, none, nil,
			Place{Launcher: "openmpi", Size: 1, LocalSize: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Detect(environ(test.env...), test.flags, files(test.files))
			if err != nil {
				t.Fatal(err)
			}
			from := got.From
			got.From = nil
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
			for _, f := range from {
				if !strings.HasPrefix(f, "--") && !slices.Contains(test.env, f) {
					t.Errorf("From has %q, which was never set", f)
				}
			}
			if got.Launcher != "single" && len(from) < 2 {
				t.Errorf("From names too little: %q", from)
			}
		})
	}
}

func TestDetectErrors(t *testing.T) {
	eight := "PRUN_HOSTNAMES=" + strings.TrimSpace(strings.Repeat("n/0 ", 8))
	for _, test := range []struct {
		env   []string
		flags Flags
		want  string // begin of the message
	}{
		{[]string{"PRUN_CPU_RANK=9", eight}, none, "PRUN_CPU_RANK=9 but PRUN_HOSTNAMES lists 8 entries: ranks count from 0, so the highest is 7"},
		{[]string{"PRUN_CPU_RANK=8", eight}, none, "PRUN_CPU_RANK=8 but PRUN_HOSTNAMES lists 8 entries"},
		{[]string{"PRUN_CPU_RANK=-1", eight}, none, "PRUN_CPU_RANK=-1: "},
		{[]string{"PRUN_CPU_RANK=x", eight}, none, "PRUN_CPU_RANK=x is not a number"},
		{[]string{"PRUN_CPU_RANK=3"}, none, "PRUN_CPU_RANK=3 but neither PRUN_HOSTNAMES nor HOSTS nor NHOSTS is set"},
		{[]string{"DISTGO_RANK=3"}, none, "DISTGO_RANK=3 but DISTGO_SIZE is not set"},
		{[]string{"DISTGO_RANK=0", "DISTGO_SIZE=2"}, none, "DISTGO_RANK=0 and DISTGO_SIZE=2 without DISTGO_ROOT"},
		{[]string{"DISTGO_RANK=0", "DISTGO_SIZE=2", "DISTGO_RUN=r", "DISTGO_HOSTS=a"}, none, "DISTGO_SIZE=2 but 1 hosts are listed"},
		{[]string{"DISTGO_RANK=0", "DISTGO_SIZE=2", "DISTGO_ROOT=host"}, none, `root's address "host"`},
		{[]string{"DISTGO_RANK=0", "DISTGO_SIZE=2", "DISTGO_ROOT=h:1", "DISTGO_LOCAL_RANK=2", "DISTGO_LOCAL_SIZE=2"}, none, "local rank 2 of 2"},
		{nil, Flags{Rank: 1, Size: -1}, "--rank=1 without --size"},
		{nil, Flags{Rank: 1, Size: 2}, "--rank=1 and --size=2 without --root"},
		{nil, Flags{Rank: 5, Size: 2, Root: "a:1"}, "--rank=5 but --size=2"},
		{nil, Flags{Rank: -1, Size: 4}, "--size=4 but no launcher was found"},
		{[]string{"PRUN_CPU_RANK=1", eight}, Flags{Rank: -1, Size: 4}, "--size=4 but PRUN_HOSTNAMES lists 8 entries"},
		{nil, Flags{Rank: -1, Size: -1, Launcher: "prun"}, "--launcher=prun but it did not start this process: it is known by PRUN_CPU_RANK"},
		{nil, Flags{Rank: -1, Size: -1, Launcher: "qrun"}, "--launcher=qrun is unknown: one of flags, distgo, prun"},
		{[]string{"SLURM_STEP_ID=0", "SLURM_PROCID=0", "SLURM_NTASKS=2", "SLURM_STEP_NODELIST=n[1"}, none, "SLURM_STEP_NODELIST=n[1: a bracket"},
		{[]string{"OMPI_COMM_WORLD_RANK=0", fmt.Sprint("OMPI_COMM_WORLD_SIZE=", MaxSize+1)}, none, "OMPI_COMM_WORLD_SIZE=1025: a world has"},
		{[]string{"PBS_VNODENUM=0", "PBS_NODEFILE=/gone"}, none, "PBS_VNODENUM=0 but PBS_NODEFILE"},
		{[]string{"JOB_COMPLETION_INDEX=0"}, none, "JOB_COMPLETION_INDEX=0 but pods are not told"},
	} {
		_, err := Detect(environ(test.env...), test.flags, noFile)
		var usage *Error
		if !errors.As(err, &usage) {
			t.Errorf("%v %+v: error %v, want an *Error", test.env, test.flags, err)
		} else if !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%v %+v:\ngot  %v\nwant %s...", test.env, test.flags, err, test.want)
		}
	}
}

func TestFormerArguments(t *testing.T) {
	prun := Place{Launcher: "prun", Rank: 1, Size: 4}
	for _, test := range []struct {
		p          Place
		args, want string
	}{
		{prun, "1 4 -m main.go", "-m main.go"},
		{prun, "1 4", ""},
		{prun, "1 3 -m", "1 3 -m"},
		{prun, "4 1 -m", "4 1 -m"},
		{prun, "1", "1"},
		{prun, "", ""},
		{Place{Launcher: "slurm", Rank: 1, Size: 4}, "1 4 x", "1 4 x"},
	} {
		if got := strings.Join(FormerArguments(strings.Fields(test.args), test.p), " "); got != test.want {
			t.Errorf("%s, %q: got %q, want %q", test.p, test.args, got, test.want)
		}
	}
}

func TestRunIDSeparatesRuns(t *testing.T) {
	a := Place{Launcher: "slurm", Size: 4, RunKey: "1.0"}
	b, same := a, a
	b.RunKey, same.Rank = "1.1", 3
	if a.RunID() == b.RunID() || a.RunID() != same.RunID() {
		t.Errorf("run IDs %s, %s, %s: want the first and the last equal only", a.RunID(), b.RunID(), same.RunID())
	}
}
