package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"connectd/config"
)

// Config is what a connector declares: a plain struct, whose tags are its documentation.
type Config struct {
	Slot   string        `yaml:"slot.name" doc:"replication slot, created if missing"`
	Mode   string        `yaml:"snapshot.mode" values:"initial,no_data" doc:"what to read before streaming"`
	Status time.Duration `yaml:"status.update.interval" doc:"how often the confirmed LSN is reported"`
	Pass   config.Secret `yaml:"database.password" doc:"password of the role"`
	Server string        `yaml:"topic.prefix" alias:"database.server.name!" required:"true" doc:"first part of every topic's name"`
}

// Defaults stand before anything is decoded.
func (c *Config) Defaults() { c.Slot, c.Mode, c.Status = "connectd", "initial", 10*time.Second }

// Validate checks what the types can not.
func (c *Config) Validate(r *config.Report) {
	if c.Status < time.Second {
		r.Errorf("status.update.interval", "%v is too often; write 1s or more", c.Status)
	}
}

func ExampleDecode() {
	path := filepath.Join(os.TempDir(), "connectd-example.yaml")
	defer os.Remove(path)
	_ = os.WriteFile(path, []byte(`connectors:
  orders:
    snapshot: { mode: intial }
    slot.nmae: orders
    status.update.interval: 10
    database.password: secret
`), 0o600)

	file, problems := config.Load([]string{path})
	for _, c := range file.Connectors {
		var settings Config
		problems = append(problems, config.Decode(&c.Section, &settings)...)
		fmt.Println("password:", settings.Pass)
	}
	for _, p := range problems {
		p.Pos.File = filepath.Base(p.Pos.File)
		fmt.Println(p)
	}
	// Output:
	// password: ****
	// connectd-example.yaml:2:3: connectors.orders.topic.prefix: is missing; set it (first part of every topic's name)
	// connectd-example.yaml:3:17: connectors.orders.snapshot.mode: "intial" is not a snapshot mode; did you mean "initial"? (initial, no_data)
	// connectd-example.yaml:4:5: connectors.orders.slot.nmae: is not a known key; did you mean slot.name?
	// connectd-example.yaml:5:5: connectors.orders.status.update.interval: "10" has no unit; write 10s or 10m
}
