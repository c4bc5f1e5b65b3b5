package config

import (
	"net"
	"net/url"
)

// Worker is what the worker section says of the process itself, in Kafka Connect's names where it
// has one. The runtime's keys (connector.WorkerSettings) and those of the Kafka clients
// (kafka.Settings) stand in the same section and are decoded together with it.
type Worker struct {
	Listeners []string `yaml:"listeners" doc:"addresses of the REST API, metrics and health; port 0 takes a free one"`

	EmbeddedDir      string `yaml:"embedded.broker.dir" doc:"directory of the embedded broker's data; it runs when bootstrap.servers is absent, for demos, tests and laptops"`
	EmbeddedListener string `yaml:"embedded.broker.listener" doc:"address that the embedded broker listens on; port 0 takes a free one"`

	LogLevel  string `yaml:"log.level" values:"debug,info,warn,error" doc:"least level that is logged"`
	LogFormat string `yaml:"log.format" values:"text,json" doc:"form of the log lines"`

	Producer map[string]string `yaml:"producer.*" doc:"properties of the Kafka producers of all sources"`
	Consumer map[string]string `yaml:"consumer.*" doc:"properties of the Kafka consumers of all sinks"`
	Admin    map[string]string `yaml:"admin.*" doc:"properties of the Kafka client that creates topics"`

	_ string `yaml:"rest.advertised.host.name" noeffect:"this worker runs alone"`
	_ string `yaml:"rest.advertised.port" noeffect:"this worker runs alone"`
	_ string `yaml:"config.providers" noeffect:"${env:…} and ${file:…} work always"`
	_ string `yaml:"config.providers.*" noeffect:"${env:…} and ${file:…} work always"`
	_ string `yaml:"connector.client.config.override.policy" noeffect:"a connector may always set producer.override.*, consumer.override.* and admin.override.*"`
}

// Defaults listen on this machine only.
func (w *Worker) Defaults() {
	*w = Worker{
		Listeners:        []string{"http://127.0.0.1:8083"},
		EmbeddedDir:      "./connectd-data",
		EmbeddedListener: "127.0.0.1:0",
		LogLevel:         "info",
		LogFormat:        "text",
	}
}

// Validate checks the addresses.
func (w *Worker) Validate(r *Report) {
	for _, l := range w.Listeners {
		if u, err := url.Parse(l); err != nil || u.Scheme != "http" || u.Port() == "" {
			r.Errorf("listeners", "%q is not an address; write http://HOST:PORT, such as http://127.0.0.1:8083", l)
		}
	}
	if len(w.Listeners) == 0 {
		r.Errorf("listeners", "is empty; write an address, such as http://127.0.0.1:8083")
	}
	if _, _, err := net.SplitHostPort(w.EmbeddedListener); err != nil {
		r.Errorf("embedded.broker.listener", "%q is not an address; write host:port, such as 127.0.0.1:9092", w.EmbeddedListener)
	}
	if w.EmbeddedDir == "" {
		r.Errorf("embedded.broker.dir", "is empty; write a directory, such as ./connectd-data")
	}
}
