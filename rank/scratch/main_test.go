package scratch

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// TestMain lets the test's own executable be the guardian, a rank and a tool.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "guard" {
		os.Exit(Guard(os.Args[2:]))
	}
	switch os.Getenv("SCRATCH_TEST") {
	case "":
		os.Exit(m.Run())
	case "rank":
		fmt.Println("error:", beRank())
	case "tool":
		beTool()
	}
	os.Exit(1)
}

// beRank opens a directory, starts a tool in it, says where it is and who guards it, and waits for its death.
func beRank() error {
	s, err := Open(os.Getenv("SCRATCH_BASE"), "run", 3, "")
	if err != nil {
		return err
	}
	if os.Getenv("SCRATCH_KEEP") != "" {
		if err := s.Keep(); err != nil {
			return err
		}
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{"SCRATCH_TEST=tool", "SCRATCH_CHILD=1", s.Env()}
	cmd.Dir = s.Dir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Descriptor 3 of a tool is the test's: it reads an end when the last tool is gone.
	cmd.ExtraFiles = []*os.File{os.NewFile(3, "life")}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if _, err := said.Read(make([]byte, 1)); err != nil {
		return err
	}
	fmt.Println(s.Dir(), s.guardian.cmd.Process.Pid)
	return syscall.Pause()
}

// beTool starts a tool of its own in a session of its own, and leaves files.
func beTool() {
	if err := os.WriteFile("output", make([]byte, 4096), 0o400); err != nil {
		return
	}
	if os.Getenv("SCRATCH_CHILD") != "" {
		attr := &os.ProcAttr{Env: []string{"SCRATCH_TEST=tool", "DISTGO_SCRATCH=" + os.Getenv("DISTGO_SCRATCH")},
			Files: []*os.File{nil, os.Stdout, nil, os.NewFile(3, "life")}, Sys: &syscall.SysProcAttr{Setsid: true}, Dir: "/"}
		os.Mkdir("sub", 0o500)
		if _, err := os.StartProcess("/proc/self/exe", []string{"tool"}, attr); err != nil {
			return
		}
		syscall.Pause()
	}
	os.Stdout.WriteString("x")
	syscall.Pause()
}
