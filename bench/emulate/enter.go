package emulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Enter is what Start runs: it moves the calling thread into a node and becomes the program. argv is the cluster's
// description, the node's number, the working directory, and the program's argv. It returns only to say what failed.
func Enter(argv []string) error {
	if len(argv) < 4 {
		return errors.New("usage: enter DESCRIPTION NODE DIRECTORY PROGRAM [ARGUMENT...]")
	}
	text, err := os.ReadFile(argv[0])
	if err != nil {
		return err
	}
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("%s does not describe an emulated cluster: %w", argv[0], err)
	}
	node, err := strconv.Atoi(argv[1])
	if err != nil || node < 0 || node >= d.Spec.Nodes {
		return fmt.Errorf("%q is not a node of an emulated cluster of %d", argv[1], d.Spec.Nodes)
	}
	gs, err := machineGroups()
	if err != nil {
		return err
	}
	// Namespaces and groups are a thread's, and exec makes of the thread that calls it the process: this one, then.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	name := d.Spec.Hostname(node)
	if err := gs.join(nodeGroup(d.ID, name, d.Spec.share(node)) + "/" + mainGroup); err != nil {
		return fmt.Errorf("joining the control group of %s: %w", name, err)
	}
	if err := joinNetwork(netnsName(d.ID, name)); err != nil {
		return fmt.Errorf("joining the network of %s: %w", name, err)
	}
	if err := unix.Unshare(unix.CLONE_NEWUTS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unsharing host name and mounts: %w", err)
	}
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("naming the host %s: %w", name, err)
	}
	if err := mountNode(filepath.Dir(argv[0]), name); err != nil {
		return err
	}
	if err := os.Chdir(argv[2]); err != nil {
		return err
	}
	program, err := exec.LookPath(argv[3])
	if err != nil {
		return err
	}
	return fmt.Errorf("executing %s: %w", program, syscall.Exec(program, argv[3:], os.Environ()))
}

func joinNetwork(name string) error {
	fd, err := unix.Open(filepath.Join(netnsDir, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, unix.CLONE_NEWNET)
}

// mountNode gives the calling thread, which has a mount namespace of its own, the node's disk and host table, and
// takes all nodes' disks from its sight.
func mountNode(cluster, node string) error {
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
		options              string
	}{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""}, // or the mounts below would be the machine's too
		{filepath.Join(cluster, disksDir, node), ScratchDir, "", unix.MS_BIND, ""},
		{filepath.Join(cluster, "hosts"), "/etc/hosts", "", unix.MS_BIND, ""},
		{"none", stateDir, "tmpfs", unix.MS_RDONLY, "size=4k,mode=755"},
	} {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mounting on %s: %w", m.target, err)
		}
	}
	return nil
}
