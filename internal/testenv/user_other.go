//go:build !linux

package testenv

import "syscall"

// passAnywhere does nothing: only Linux can do it.
func passAnywhere(*syscall.SysProcAttr) {}
