package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// unprivileged sees to it that the programs in bin do not run as root, which PostgreSQL
// refuses, but as user "postgres" or "nobody". It returns the folder to run them from: a
// copy where that user may not read the original, as in root's home.
func (p *process) unprivileged(bin string) (string, error) {
	if os.Geteuid() != 0 {
		return bin, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return "", fmt.Errorf("find a user other than root to run as: %w", err)
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return "", err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return "", err
	}
	if err := os.Chown(p.dir, int(uid), int(gid)); err != nil {
		return "", err
	}
	p.attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	ctx := context.Background()
	if p.command(ctx, "test", "-x", filepath.Join(bin, "postgres")).Run() != nil {
		if bin, err = p.copyReadable(bin); err != nil {
			return "", err
		}
	}
	if p.command(ctx, "cd", p.dir).Run() != nil {
		passAnywhere(&p.attr)
	}
	if out, err := p.command(ctx, "cd", p.dir).CombinedOutput(); err != nil {
		return "", fmt.Errorf("user %q can not enter directory %q (%s); let others enter it and those above it", u.Username, p.dir, out)
	}
	return bin, nil
}

// command is args run as the process's user.
func (p *process) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `"$@"`, "sh"}, args...)...)
	cmd.Dir = "/"
	attr := p.attr
	cmd.SysProcAttr = &attr
	return cmd
}

// copyReadable copies the folder above bin to a temporary one that every user may read. It
// goes with the server's directory.
func (p *process) copyReadable(bin string) (string, error) {
	dir, err := os.MkdirTemp("", "connectd-bin-")
	if err != nil {
		return "", err
	}
	p.copy = dir
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Dir(bin))); err != nil {
		return "", fmt.Errorf("copy %q: %w", bin, err)
	}
	return filepath.Join(dir, filepath.Base(bin)), nil
}
