package testenv

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// passAnywhere lets a process that runs as another user read and enter what only root may,
// such as root's home or a directory of os.MkdirTemp. It takes effect in the program that is
// executed, not yet in executing it; hence the shell in between, started in "/".
func passAnywhere(a *syscall.SysProcAttr) { a.AmbientCaps = []uintptr{unix.CAP_DAC_OVERRIDE} }
