package files

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"connectd/connect"
	"connectd/connect/conform"
)

func TestConformTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	n := 0
	conform.Source(t, conform.Sources{
		New: func(t *testing.T) connect.Source {
			return build(t, fast(filepath.Dir(path), "mode", "tail", "batch.size", "7"))
		},
		Fill: func(t *testing.T, more int) {
			for range more {
				n++
				extend(t, path, fmt.Sprintf("line %d\n", n))
			}
		},
	})
}

func TestConformComplete(t *testing.T) {
	dir := t.TempDir()
	n := 0
	conform.Source(t, conform.Sources{
		New: func(t *testing.T) connect.Source {
			return build(t, fast(dir, "batch.size", "7", "parallel.files", "1"))
		},
		Fill: func(t *testing.T, more int) {
			text := "id,name\n"
			for range more {
				n++
				text += fmt.Sprintf("%d,name %d\n", n, n)
			}
			write(t, filepath.Join(dir, fmt.Sprintf("%06d.csv", n)), text)
		},
	})
}

func build(t *testing.T, pairs []string) connect.Source {
	t.Helper()
	s, err := New(settings(t, pairs...), connect.Env{Connector: "conform", Class: "files-source", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
