package emulate

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Check says everything that this machine lacks to emulate a cluster, or returns nil. It leaves nothing behind.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("emulating a cluster takes root, for network namespaces and control groups: run it with sudo")
	}
	var errs []error
	for _, tool := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			errs = append(errs, fmt.Errorf("the command %s is missing: install iproute2", tool))
		}
	}
	for _, namespace := range []string{"net", "uts", "mnt"} {
		if _, err := os.Stat("/proc/self/ns/" + namespace); err != nil {
			errs = append(errs, fmt.Errorf("the kernel has no %s namespaces", namespace))
		}
	}
	return errors.Join(append(errs, checkGroups())...)
}

// checkGroups makes a node's groups and removes them.
func checkGroups() error {
	gs, err := machineGroups()
	if err != nil {
		return err
	}
	id := fmt.Sprintf("check%d", os.Getpid())
	defer func() { _ = removeGroup(gs, clusterGroup(id)) }()
	if err := gs.addNode(nodeGroup(id, "node001", share{1, 1}), share{1, 1}); err != nil {
		return fmt.Errorf("control groups under %s cannot be used: %w", filepath.Clean(gs.roots()[0]), err)
	}
	return nil
}
